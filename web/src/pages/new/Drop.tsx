import { Button, Group, Text } from "@mantine/core";
import { type DragEvent, Fragment, useEffect, useRef, useState } from "react";
import { useLanguage } from "../../app/language";
import { type Chosen, dropped, SONGS, songsAmong } from "./files";
import classes from "./new.module.css";

const MOST_NAMED = 5;

/** A file that misses the zone would be opened by the browser, in place of the page or in a new tab. */
function useNothingOpened(): void {
  useEffect(() => {
    const keep = (event: globalThis.DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    addEventListener("dragover", keep);
    addEventListener("drop", keep);
    return () => {
      removeEventListener("dragover", keep);
      removeEventListener("drop", keep);
    };
  }, []);
}

/** Where songs are dropped, or chosen: one, many, or a folder. */
export function Drop({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const {
    texts: { newSeparation: texts },
    formats,
  } = useLanguage();
  const [leftOut, setLeftOut] = useState<readonly File[]>([]);
  useNothingOpened();
  const take = (chosen: Chosen) => {
    setLeftOut(chosen.leftOut);
    onFiles(chosen.songs);
  };
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(await dropped(event.dataTransfer));
  };
  const choose = (input: HTMLInputElement) => {
    take(songsAmong(input.files ?? []));
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
      <div role="status">
        {leftOut.length > 0 ? (
          <Text mt="sm" style={{ overflowWrap: "anywhere" }}>
            {texts.leftOut(formats.number(leftOut.length))}{" "}
            {leftOut.slice(0, MOST_NAMED).map(({ name }, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: files of several folders may have one name
              <Fragment key={i}>
                {i > 0 ? texts.and : null}
                <bdi>{name}</bdi>
              </Fragment>
            ))}
            {leftOut.length > MOST_NAMED ? "…" : null}
          </Text>
        ) : null}
      </div>
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
