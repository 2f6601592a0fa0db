import { Button, Group, SegmentedControl } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { type GivenFeedback, markedRegion } from "../../../api/administration";
import { useTexts } from "../../../app/language";
import { Refused } from "../../../components/Said";
import { useWords } from "../words";
import { type Playing, play } from "./region";

/** Plays the marked region, and lets one change between the original and the stems while it is heard. */
export function Region({ given }: { given: GivenFeedback }) {
  const all = useWords();
  const words = all.feedback;
  const { mixer } = useTexts();
  const [tracks, setTracks] = useState<readonly string[]>([]);
  const [track, setTrack] = useState("mixture");
  const playing = useRef<Playing | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  function stop() {
    abort.current?.abort();
    playing.current = null;
    setTracks([]);
  }

  const listen = useMutation({
    mutationFn: async () => {
      const controller = new AbortController();
      abort.current = controller;
      const region = await markedRegion(given.job_id);
      const first = given.stem && region.tracks.includes(given.stem) ? given.stem : "mixture";
      setTrack(first);
      playing.current = await play(given.job_id, region, first, controller.signal, stop);
      setTracks(region.tracks);
    },
  });

  return (
    <Group gap="xs">
      {tracks.length ? (
        <>
          <Button size="compact-sm" variant="default" onClick={stop}>
            {words.stop}
          </Button>
          <SegmentedControl
            size="xs"
            aria-label={words.track}
            value={track}
            onChange={(value) => {
              setTrack(value);
              playing.current?.hear(value);
            }}
            data={tracks.map((value) => ({ value, label: mixer.stems[value] ?? value }))}
          />
        </>
      ) : (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={all.of(words.listen, given.job_id)}
          loading={listen.isPending}
          onClick={() => listen.mutate()}
        >
          {words.listen}
        </Button>
      )}
      <Refused problem={listen.error} />
    </Group>
  );
}
