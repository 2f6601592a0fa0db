import { Anchor, Group, Stack, Text, Title } from "@mantine/core";
import { Link, useParams } from "wouter";
import { Problem } from "../../api/problem";
import type { Playback } from "../../api/separation";
import { useUser } from "../../api/session";
import { useShared, useSharedWaveforms } from "../../api/shares";
import { useTexts } from "../../app/language";
import { HOME } from "../../app/pages";
import { useTitle } from "../../app/title";
import { Refused } from "../../components/Said";
import { Waiting } from "../../components/Waiting";
import { MixerPanel } from "../separation/mixer/MixerPanel";
import { useMixer } from "../separation/mixer/useMixer";

/** What a link leads to: the mixer, for whoever has the link. */
export default function Shared() {
  const { token = "" } = useParams();
  const { share: words } = useTexts();
  const user = useUser();
  const shared = useShared(token);
  const gone = shared.error instanceof Problem && shared.error.status === 404;
  useTitle(gone ? words.gone : shared.data?.title);
  if (gone) {
    return (
      <Stack>
        <Title order={1}>{words.gone}</Title>
        <Text>{words.goneHint}</Text>
      </Stack>
    );
  }
  if (!shared.data) return shared.error ? <Refused problem={shared.error} /> : <Waiting />;
  return (
    <Stack gap="lg">
      <div>
        <Title order={1} style={{ overflowWrap: "anywhere" }}>
          <bdi>{shared.data.title ?? words.untitled}</bdi>
        </Title>
        <Text c="dimmed" mt={6}>
          {words.lead}
        </Text>
      </div>
      <Listen token={token} playback={shared.data.playback} />
      <Group justify="center">
        <Anchor component={Link} href={user ? HOME : "/sign-up"}>
          {words.yours}
        </Anchor>
      </Group>
    </Stack>
  );
}

function Listen({ token, playback }: { token: string; playback: Playback }) {
  const { mixer: words } = useTexts();
  const waveforms = useSharedWaveforms(token);
  const mixer = useMixer(`/v1/shares/${token}`, playback, true);
  if (mixer === null) return <Text c="dimmed">{words.tooLarge}</Text>;
  if (mixer === undefined) return null;
  return <MixerPanel mixer={mixer} playback={playback} waveforms={waveforms} />;
}
