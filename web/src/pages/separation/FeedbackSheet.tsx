import { Box, Button, Checkbox, Chip, Group, Input, NativeSelect, Rating, Textarea } from "@mantine/core";
import { useState } from "react";
import { type Feedback, type Job, TAGS, useFeedback, useSendFeedback } from "../../api/separation";
import { useLanguage } from "../../app/language";
import { Done, Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import type { Region } from "../../mixer/mixer";
import classes from "./separation.module.css";

/** A stem, or everywhere. */
type Where = NonNullable<Feedback["stem"]> | "";

interface Props {
  job: Job;
  /** As marked in the mixer. */
  region: Region | null;
}

/** The part of the song that stored feedback is about; null where it is about all of it. */
export function regionOf(stored: Feedback | null | undefined): Region | null {
  const [start, end] = [stored?.start_seconds ?? null, stored?.end_seconds ?? null];
  return start === null || end === null ? null : { start, end };
}

/** Stars, what was noticed, and where. What was sent before is there to be changed. */
export function FeedbackSheet(props: Props) {
  const { feedback: words } = useLanguage().texts;
  const stored = useFeedback(props.job);
  return (
    <Sheet title={words.title} lead={words.lead}>
      {stored.data === undefined ? null : <Form {...props} stored={stored.data} />}
    </Sheet>
  );
}

function Form({ job, region, stored }: Props & { stored: Feedback | null }) {
  const { texts, formats } = useLanguage();
  const words = texts.feedback;
  const [rating, setRating] = useState(stored?.rating ?? 0);
  const [tags, setTags] = useState<string[]>(stored?.tags ?? []);
  const [stem, setStem] = useState<Where>(stored?.stem ?? "");
  const [comment, setComment] = useState(stored?.comment ?? "");
  const [here, setHere] = useState(regionOf(stored) !== null);
  const where = region ?? regionOf(stored);
  const send = useSendFeedback(job);

  function body(): Feedback {
    return {
      rating,
      tags: TAGS.filter((tag) => tags.includes(tag)),
      stem: stem === "" ? null : stem,
      comment: comment.trim() || null,
      start_seconds: here && where ? where.start : null,
      end_seconds: here && where ? where.end : null,
    };
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send.mutate(body());
      }}
      className={classes.form}
    >
      {/* By themselves the stars take what a mouse chooses; arrow keys and screen readers change their radio buttons. */}
      <Box onChange={(event) => setRating(Number((event.target as HTMLInputElement).value))}>
        <Rating
          size="xl"
          value={rating}
          onChange={setRating}
          aria-label={words.rating}
          getSymbolLabel={(stars) => words.stars(formats.number(stars))}
        />
      </Box>
      <Input.Wrapper label={words.what} labelElement="div">
        <Chip.Group multiple value={tags} onChange={setTags}>
          <Group gap="xs" mt={6}>
            {TAGS.map((tag) => (
              <Chip key={tag} value={tag} variant="outline">
                {words.tags[tag]}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      </Input.Wrapper>
      <NativeSelect
        label={words.stem}
        value={stem}
        onChange={(event) => setStem(event.currentTarget.value as Where)}
        data={[
          { value: "", label: words.everywhere },
          ...job.requested_stems.map((name) => ({ value: name, label: texts.mixer.stems[name] ?? name })),
        ]}
      />
      {where ? (
        <Checkbox
          checked={here}
          onChange={(event) => setHere(event.currentTarget.checked)}
          label={words.region(formats.duration(where.start), formats.duration(where.end))}
        />
      ) : null}
      <Textarea
        label={words.comment}
        autosize
        minRows={2}
        maxLength={2000}
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
      />
      <Refused problem={send.error} />
      {send.isSuccess ? <Done>{words.sent}</Done> : null}
      <Button type="submit" className={classes.action} disabled={rating === 0} loading={send.isPending}>
        {words.send}
      </Button>
    </form>
  );
}
