import { Badge, Button, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";
import { useItems } from "../../api/lists";
import { answer } from "../../api/problem";
import { clientName } from "../../app/client-name";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

const KEY = ["sign-ins"];

export function SignIns() {
  const { account: texts } = useTexts();
  const formats = useFormats();
  const queries = useQueryClient();
  const signIns = useItems(KEY, () => answer(api.GET("/v1/auth/sessions")));
  const end = useMutation({
    mutationFn: (session_id: string) =>
      answer(api.DELETE("/v1/auth/sessions/{session_id}", { params: { path: { session_id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  return (
    <Sheet title={texts.signIns} lead={texts.signInsLead}>
      <Refused problem={signIns.error ?? end.error} />
      <Rows>
        {signIns.items?.map((signIn) => {
          const name = signIn.client === null ? texts.unknownClient : clientName(signIn.client);
          return (
            <Row
              key={signIn.id}
              end={
                signIn.current ? (
                  <Badge variant="light" color="pine">
                    {texts.thisOne}
                  </Badge>
                ) : (
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={texts.endOf(name)}
                    onClick={() => end.mutate(signIn.id)}
                    loading={end.isPending && end.variables === signIn.id}
                  >
                    {texts.end}
                  </Button>
                )
              }
            >
              <Text fw={500}>{name}</Text>
              <Text size="sm" c="dimmed">
                {texts.lastUsed(formats.moment(signIn.last_used_at))} · <bdi>{signIn.network}</bdi>
              </Text>
            </Row>
          );
        })}
      </Rows>
      <More more={signIns.more} loading={signIns.loadsMore} />
    </Sheet>
  );
}
