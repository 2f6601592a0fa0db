import { Code, Text } from "@mantine/core";
import { useFeed } from "../../api/partners";
import { useFormats, useTexts } from "../../app/language";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./developers.module.css";

/** The account's events, as they happen. */
export function Feed() {
  const { webhooks: words } = useTexts();
  const formats = useFormats();
  const { events, error } = useFeed();
  return (
    <Sheet title={words.feed} lead={words.feedLead}>
      <Refused problem={error} />
      {events?.length === 0 ? <Text c="dimmed">{words.quiet}</Text> : null}
      {events?.length ? (
        <Rows>
          {events.map((event) => (
            <Row
              key={event.id}
              end={
                <Text size="sm" c="dimmed">
                  {formats.instant(event.occurred_at)}
                </Text>
              }
            >
              <details>
                <summary dir="ltr">
                  {event.sequence} <strong>{event.type}</strong>
                </summary>
                <Code block dir="ltr" className={classes.body}>
                  {JSON.stringify(event.data, null, 2)}
                </Code>
              </details>
            </Row>
          ))}
        </Rows>
      ) : null}
    </Sheet>
  );
}
