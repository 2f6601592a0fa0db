import { Button, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import { TurnOff } from "./TurnOff";
import { TurnOn } from "./TurnOn";

const KEY = ["second-factor"];

export function SecondFactor() {
  const { account: texts } = useTexts();
  const queries = useQueryClient();
  const [changing, setChanging] = useState(false);
  const factor = useQuery({ queryKey: KEY, queryFn: () => answer(api.GET("/v1/me/second-factor")) });
  const done = () => {
    setChanging(false);
    void queries.invalidateQueries({ queryKey: KEY });
    void queries.invalidateQueries({ queryKey: ["security-events"] });
  };
  const change = factor.data?.enabled ? <TurnOff done={done} /> : <TurnOn done={done} />;
  return (
    <Sheet title={texts.secondFactor} lead={texts.secondFactorLead}>
      <Refused problem={factor.error} />
      {factor.data && !changing ? (
        <>
          <State enabledAt={factor.data.enabled_at} codesLeft={factor.data.recovery_codes_left} />
          <div>
            <Button variant="default" onClick={() => setChanging(true)}>
              {factor.data.enabled ? texts.turnOff : texts.turnOn}
            </Button>
          </div>
        </>
      ) : null}
      {changing ? change : null}
    </Sheet>
  );
}

function State({ enabledAt, codesLeft }: { enabledAt: string | null; codesLeft: number }) {
  const { account: texts } = useTexts();
  const formats = useFormats();
  if (enabledAt === null) return <Text>{texts.secondFactorOff}</Text>;
  return (
    <Text>
      {texts.secondFactorOn(formats.day(enabledAt))} {texts.codesLeft(formats.number(codesLeft))}
    </Text>
  );
}
