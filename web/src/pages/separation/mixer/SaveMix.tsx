import { Button, Progress } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Problem } from "../../../api/problem";
import { type Job, useSongName } from "../../../api/separation";
import { useLanguage } from "../../../app/language";
import { Icon } from "../../../components/Icon";
import { Refused } from "../../../components/Said";
import type { Mixer } from "../../../mixer/mixer";
import { TooLongForWav } from "../../../mixer/wav";
import classes from "./mixer.module.css";

/** The mix as it stands, as a file that is made in this browser. */
export function SaveMix({ mixer, job }: { mixer: Mixer; job: Job }) {
  const { texts, formats } = useLanguage();
  const words = texts.mixer;
  const name = useSongName(job) ?? texts.separation.untitled;
  const [part, setPart] = useState(0);
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const save = useMutation({
    mutationFn: async () => {
      setPart(0);
      stop.current = new AbortController();
      const { signal } = stop.current;
      try {
        const { file, peak } = await mixer.render(setPart, signal);
        download(file, `${name} (${words.fileOfMix}).wav`);
        return peak;
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      }
    },
  });
  const beyond = save.data ? 20 * Math.log10(save.data) : 0;
  const percent = Math.floor(100 * part);
  return (
    <div className={classes.save}>
      {save.isPending ? (
        <>
          <Progress value={percent} aria-label={words.saving} className={classes.saving} />
          <span className={classes.value}>{words.percent(formats.number(percent))}</span>
          <Button variant="default" onClick={() => stop.current.abort()}>
            {words.stopSaving}
          </Button>
        </>
      ) : (
        <>
          <Button
            variant="default"
            leftSection={<Icon name="download" size={18} />}
            onClick={() => save.mutate()}
          >
            {words.saveMix}
          </Button>
          <span>{words.saveMixLead}</span>
        </>
      )}
      {save.error instanceof TooLongForWav ? <p role="alert">{words.tooLongForWav}</p> : null}
      {save.error instanceof Problem ? <Refused problem={save.error} /> : null}
      {save.error && !(save.error instanceof Problem || save.error instanceof TooLongForWav) ? (
        <p role="alert">{words.mixFailed}</p>
      ) : null}
      {beyond > 0 ? (
        <p role="status">{words.mixCut(formats.number(Math.ceil(10 * beyond) / 10))}</p>
      ) : save.data != null ? (
        <p role="status">{words.mixSaved}</p>
      ) : null}
    </div>
  );
}

function download(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // By then the browser has begun to take it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
