import { Button, Group, Text } from "@mantine/core";
import { type DragEvent, useRef, useState } from "react";
import { useTexts } from "../../app/language";
import { dropped, SONGS, songsAmong } from "./files";
import classes from "./new.module.css";

/** Where songs are dropped, or chosen: one, many, or a folder. */
export function Drop({ onFiles }: { onFiles: (files: File[]) => void }) {
  const { newSeparation: texts } = useTexts();
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onFiles(await dropped(event.dataTransfer));
  };
  const choose = (input: HTMLInputElement) => {
    onFiles(songsAmong(input.files ?? []));
    input.value = "";
  };
  return (
    // What is dropped can be chosen by the buttons within.
    // biome-ignore lint/a11y/noStaticElementInteractions: dragging is a pointer's way to the same
    <div
      className={classes.drop}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => void drop(event)}
    >
      <Text size="lg" fw={600}>
        {texts.drop}
      </Text>
      <Text c="dimmed">{texts.dropHint}</Text>
      <Group justify="center" mt="xs">
        <Button onClick={() => files.current?.click()}>{texts.chooseFiles}</Button>
        <Button variant="default" onClick={() => folder.current?.click()}>
          {texts.chooseFolder}
        </Button>
      </Group>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        accept={SONGS}
        aria-label={texts.chooseFiles}
        onChange={(event) => choose(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        hidden
        // Every browser of the last years has it, and React's types do not.
        {...{ webkitdirectory: "" }}
        aria-label={texts.chooseFolder}
        onChange={(event) => choose(event.currentTarget)}
      />
    </div>
  );
}
