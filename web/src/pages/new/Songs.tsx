import { Button, Group, Progress, Text } from "@mantine/core";
import { reasonIn, sentence } from "../../api/problem";
import { useLanguage } from "../../app/language";
import type { Song, UploadQueue } from "../../uploads/queue";
import classes from "./new.module.css";

/** The songs on their way, each with what can be done with it. */
export function Songs({ songs, queue }: { songs: readonly Song[]; queue: UploadQueue }) {
  const { texts } = useLanguage();
  return (
    <ul className={classes.songs} aria-label={texts.newSeparation.songs}>
      {songs.map((song) => (
        <SongRow key={song.key} song={song} queue={queue} />
      ))}
    </ul>
  );
}

function SongRow({ song, queue }: { song: Song; queue: UploadQueue }) {
  const { texts, formats } = useLanguage();
  const words = texts.newSeparation;
  const percent = song.size ? Math.floor((100 * song.sent) / song.size) : 0;
  const moving = song.phase === "sending" || song.phase === "lost";
  const again = song.phase === "paused" || song.phase === "refused";
  return (
    <li className={classes.song}>
      <div className={classes.what}>
        <Text fw={600} className={classes.name}>
          <bdi>{song.name}</bdi>
        </Text>
        <Text size="sm" c={wrong(song) ? "var(--mantine-color-error)" : "dimmed"} role="status">
          {said()}
        </Text>
        {moving || song.phase === "paused" ? (
          <Progress value={percent} size="sm" mt={6} aria-label={words.sent(song.name)} />
        ) : null}
      </div>
      <Group gap="xs" wrap="nowrap">
        {moving || song.phase === "waiting" ? (
          <Button size="compact-sm" variant="default" onClick={() => queue.pause(song.key)}>
            {words.pause}
          </Button>
        ) : null}
        {again && song.hasFile ? (
          <Button size="compact-sm" variant="default" onClick={() => queue.resume(song.key)}>
            {song.phase === "paused" ? words.resume : words.again}
          </Button>
        ) : null}
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          aria-label={words.removeNamed(song.name)}
          onClick={() => void queue.remove(song.key)}
        >
          {words.remove}
        </Button>
      </Group>
    </li>
  );

  function said(): string {
    const size = formats.size(song.size);
    switch (song.phase) {
      case "sending":
        return words.sending(formats.number(percent), size);
      case "fetching":
        return song.sent ? words.fetched(formats.size(song.sent)) : words.fetching;
      case "paused":
        return song.hasFile
          ? words.paused(formats.number(percent), size)
          : words.chooseAgain(formats.number(percent));
      case "ready": {
        const duration = formats.duration(song.upload?.audio?.duration_seconds ?? 0);
        return song.upload?.audio?.complete === false ? words.cutShort(duration) : duration;
      }
      case "rejected":
        return reasonIn({ ...song.upload, message: song.upload?.reason ?? words.rejected }, texts);
      case "refused":
        return sentence(song.problem, texts);
      default:
        return words.phases[song.phase];
    }
  }
}

function wrong(song: Song): boolean {
  return song.phase === "rejected" || song.phase === "refused";
}
