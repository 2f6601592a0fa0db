import { Stack, Text, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import { useParams } from "wouter";
import {
  isFinal,
  isGone,
  type Job,
  type Playback,
  useFeedback,
  useJob,
  usePlayback,
  useSongName,
  useWaveforms,
} from "../../api/separation";
import { useTexts } from "../../app/language";
import { useTitle } from "../../app/title";
import { Refused } from "../../components/Said";
import { Waiting } from "../../components/Waiting";
import type { Region } from "../../mixer/mixer";
import { Downloads } from "./Downloads";
import { FeedbackSheet, regionOf } from "./FeedbackSheet";
import { Head } from "./Head";
import { MixerPanel } from "./mixer/MixerPanel";
import { SaveMix } from "./mixer/SaveMix";
import { useMixer } from "./mixer/useMixer";
import { Proof } from "./Proof";
import { Remove } from "./Remove";
import classes from "./separation.module.css";
import { Upgrade } from "./Upgrade";

export default function Separation() {
  const { id = "" } = useParams();
  const { separation } = useTexts();
  const job = useJob(id);
  // What was deleted elsewhere is gone, whatever is known of it from before.
  const gone = isGone(job.error);
  useTitle(gone ? separation.notFound : null);
  if (gone) {
    return (
      <Stack>
        <Title order={1}>{separation.notFound}</Title>
        <Text>{separation.notFoundHint}</Text>
      </Stack>
    );
  }
  if (job.data) return <Shown job={job.data} />;
  return job.error ? <Refused problem={job.error} /> : <Waiting />;
}

function Shown({ job }: { job: Job }) {
  const [region, setRegion] = useState<Region | null>(null);
  const done = job.status === "succeeded";
  const name = useSongName(job);
  useTitle(name);
  return (
    <Stack gap="lg">
      <Head job={job} name={name} />
      <Listen job={job} onMark={setRegion} />
      {done ? (
        <div className={classes.columns}>
          <Stack gap="lg">
            {job.mode === "preview" ? <Upgrade job={job} /> : null}
            <Downloads job={job} />
            <Proof job={job} />
          </Stack>
          <Stack gap="lg">
            <FeedbackSheet job={job} region={region} />
          </Stack>
        </div>
      ) : null}
      {isFinal(job) ? <Remove job={job} /> : null}
    </Stack>
  );
}

interface ListenProps {
  job: Job;
  onMark: (region: Region | null) => void;
}

/** The mixer, as soon as there is something to hear. */
function Listen({ job, onMark }: ListenProps) {
  const { mixer } = useTexts();
  const playback = usePlayback(job);
  if (playback.data) return <Opened job={job} playback={playback.data} onMark={onMark} />;
  if (playback.error) return <Refused problem={playback.error} />;
  return job.status === "succeeded" && playback.data === null ? (
    <Text c="dimmed">{mixer.notPlayable}</Text>
  ) : null;
}

function Opened({ job, playback, onMark }: ListenProps & { playback: Playback }) {
  const { mixer: words } = useTexts();
  const waveforms = useWaveforms(job);
  const feedback = useFeedback(job).data;
  const given = useMemo(() => regionOf(feedback), [feedback]);
  const done = job.status === "succeeded";
  const mixer = useMixer(`/v1/jobs/${job.id}`, playback, done);
  if (mixer === null) return <Text c="dimmed">{words.tooLarge}</Text>;
  if (mixer === undefined) return null;
  return (
    <MixerPanel
      mixer={mixer}
      stems={job.stems}
      playback={playback}
      waveforms={waveforms}
      given={given}
      onMark={onMark}
    >
      {done ? <SaveMix mixer={mixer} job={job} playback={playback} /> : null}
    </MixerPanel>
  );
}
