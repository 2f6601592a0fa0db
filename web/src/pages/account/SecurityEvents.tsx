import { Text } from "@mantine/core";
import { api } from "../../api/client";
import { useItems } from "../../api/lists";
import { answer } from "../../api/problem";
import { clientName } from "../../app/client-name";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

export function SecurityEvents() {
  const { account: texts } = useTexts();
  const formats = useFormats();
  const events = useItems(["security-events"], (cursor) =>
    answer(api.GET("/v1/me/security-events", { params: { query: { limit: 8, cursor: cursor ?? null } } })),
  );
  return (
    <Sheet title={texts.events} lead={texts.eventsLead}>
      <Refused problem={events.error} />
      <Rows>
        {events.items?.map((event) => (
          <Row
            key={event.id}
            end={
              <Text size="sm" c="dimmed">
                {formats.moment(event.occurred_at)}
              </Text>
            }
          >
            <Text fw={500}>{texts.kinds[event.kind]}</Text>
            <Text size="sm" c="dimmed">
              {event.by === "platform" ? texts.byPlatform : null}
              {event.user_agent === null ? null : <bdi>{clientName(event.user_agent)}</bdi>}
              {event.network === null ? null : (
                <>
                  {" · "}
                  <bdi>{event.network}</bdi>
                </>
              )}
            </Text>
          </Row>
        ))}
      </Rows>
      <More more={events.more} loading={events.loadsMore} />
    </Sheet>
  );
}
