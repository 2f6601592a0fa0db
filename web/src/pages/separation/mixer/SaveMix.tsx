import { Button, Progress } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Problem } from "../../../api/problem";
import { type Job, type Playback, useSongName, useWaveforms } from "../../../api/separation";
import type { Formats } from "../../../app/formats";
import { useLanguage } from "../../../app/language";
import { Icon } from "../../../components/Icon";
import { Refused } from "../../../components/Said";
import { highestPeak } from "../../../mixer/headroom";
import { type Mixer, ORIGINAL } from "../../../mixer/mixer";
import { isNormal } from "../../../mixer/tempo";
import { fitsWav, TooLongForWav } from "../../../mixer/wav";
import classes from "./mixer.module.css";
import { LONG_SECONDS, mixAddress } from "./servedMix";
import { useMixerState } from "./useMixer";

/** Waveforms have four decimals. */
const FULL_SCALE = 1.0001;

interface Props {
  mixer: Mixer;
  job: Job;
  playback: Playback;
}

/** The mix as it stands, as a file: made in this browser, or by the server where that would take it long. */
export function SaveMix({ mixer, job, playback }: Props) {
  const { tempo } = useMixerState(mixer);
  const long = playback.duration_seconds > LONG_SECONDS;
  if (long && isNormal(tempo)) return <DownloadMix mixer={mixer} job={job} playback={playback} />;
  return <MakeMix mixer={mixer} job={job} long={long} />;
}

/** Goes on when the page is closed. */
function DownloadMix({ mixer, job, playback }: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.mixer;
  const { strips, masterDb } = useMixerState(mixer);
  const peaks = useWaveforms(job)?.tracks;
  const whole = mixer.hasOriginal && mixer.stems.length === 2;
  const highest = useMemo(
    () => highestPeak({ strips, masterDb }, peaks ?? {}, whole ? ORIGINAL : null, playback.channels),
    [strips, masterDb, peaks, whole, playback.channels],
  );
  if (!fitsWav(Math.round(playback.duration_seconds * playback.sample_rate_hz), 2))
    return <p className={classes.save}>{words.tooLongForWav}</p>;
  return (
    <div className={classes.save}>
      <Button
        component="a"
        href={mixAddress(`/v1/jobs/${job.id}`, { strips, masterDb })}
        download
        variant="default"
        leftSection={<Icon name="download" size={18} />}
      >
        {words.saveMix}
      </Button>
      <span>{words.saveMixServed}</span>
      {highest > FULL_SCALE ? <p role="status">{words.mixMayBeCut(decibels(highest, formats))}</p> : null}
    </div>
  );
}

/** `long`: it takes its time. */
function MakeMix({ mixer, job, long }: Pick<Props, "mixer" | "job"> & { long: boolean }) {
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
          <span>{long ? words.saveMixLong : words.saveMixLead}</span>
        </>
      )}
      {save.error instanceof TooLongForWav ? <p role="alert">{words.tooLongForWav}</p> : null}
      {save.error instanceof Problem ? <Refused problem={save.error} /> : null}
      {save.error && !(save.error instanceof Problem || save.error instanceof TooLongForWav) ? (
        <p role="alert">{words.mixFailed}</p>
      ) : null}
      {save.data && save.data > 1 ? (
        <p role="status">{words.mixCut(decibels(save.data, formats))}</p>
      ) : save.data != null ? (
        <p role="status">{words.mixSaved}</p>
      ) : null}
    </div>
  );
}

/** How far a peak is beyond full scale. */
function decibels(peak: number, formats: Formats): string {
  return formats.number(Math.ceil(200 * Math.log10(peak)) / 10);
}

function download(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // By then the browser has begun to take it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
