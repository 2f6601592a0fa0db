import { Stack, Text, Title } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";
import { useUser } from "../../api/session";
import { useTexts } from "../../app/language";
import { queueOf } from "../../uploads/queue";
import { Address } from "./Address";
import { Drop } from "./Drop";
import { Options } from "./Options";
import { Order } from "./Order";
import { Songs } from "./Songs";
import { STEMS, type Wish } from "./wish";

export default function NewSeparation() {
  const user = useUser();
  return user ? <Ordering accountId={user.id} /> : null;
}

function Ordering({ accountId }: { accountId: string }) {
  const { newSeparation: texts } = useTexts();
  const queue = queueOf(accountId);
  const songs = useSyncExternalStore(queue.subscribe, queue.songs);
  const [wish, setWish] = useState<Wish>({ mode: "preview", tier: "fast", stems: STEMS, format: "flac" });
  return (
    <Stack gap="xl">
      <div>
        <Title order={1}>{texts.title}</Title>
        <Text c="dimmed">{texts.lead}</Text>
      </div>
      <Drop onFiles={(files) => queue.add(files)} />
      <Address queue={queue} />
      {songs.length ? <Songs songs={songs} queue={queue} /> : null}
      <Options wish={wish} onWish={setWish} />
      <Order songs={songs} wish={wish} queue={queue} />
    </Stack>
  );
}
