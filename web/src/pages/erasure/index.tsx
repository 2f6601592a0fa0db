import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "wouter";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import type { components } from "../../api/schema";
import { useFormats, useTexts } from "../../app/language";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

const ASK_AGAIN_MILLISECONDS = 3000;

/** The receipt of an erased account, for whoever has its address. */
export default function Erasure() {
  const { erasure: texts } = useTexts();
  const formats = useFormats();
  const { token = "" } = useParams();
  const receipt = useQuery({
    queryKey: ["erasure", token],
    queryFn: () =>
      answer(api.GET("/v1/erasures/{receipt_token}", { params: { path: { receipt_token: token } } })),
    refetchInterval: ({ state }) => (state.data?.status === "running" ? ASK_AGAIN_MILLISECONDS : false),
  });
  const found = receipt.data;
  return (
    <Stack gap="lg" maw="46rem" mx="auto">
      <Title order={1}>{texts.title}</Title>
      <Refused problem={receipt.error} />
      {found ? (
        <>
          <Text size="lg" role="status">
            {found.finished_at === null ? texts.running : texts.finished(formats.moment(found.finished_at))}
          </Text>
          <Text c="dimmed">{texts.keep}</Text>
          <Receipt found={found} />
        </>
      ) : null}
    </Stack>
  );
}

function Receipt({ found }: { found: components["schemas"]["ErasureView"] }) {
  const { erasure: texts } = useTexts();
  const formats = useFormats();
  return (
    <>
      <Sheet title={texts.services}>
        <Rows>
          {found.services.map((each) => (
            <Row key={each.service}>
              <Text fw={500}>{each.service}</Text>
              <Text size="sm" c="dimmed">
                {each.finished_at === null
                  ? texts.atWork
                  : Object.entries(each.erased)
                      .filter(([, count]) => count > 0)
                      .map(([kind, count]) => `${kind.replaceAll("_", " ")}: ${formats.number(count)}`)
                      .join(" · ") || texts.nothing}
              </Text>
            </Row>
          ))}
        </Rows>
      </Sheet>
      <Sheet title={texts.kept}>
        <Rows>
          {found.kept.map((each) => (
            <Row
              key={each.name}
              {...(each.until === null ? {} : { end: texts.until(formats.day(each.until)) })}
            >
              <Text fw={500}>{each.what}</Text>
              <Text size="sm" c="dimmed">
                {each.why}
              </Text>
            </Row>
          ))}
        </Rows>
      </Sheet>
    </>
  );
}
