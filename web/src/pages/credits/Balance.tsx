import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./credits.module.css";

export function Balance() {
  const { credits: texts } = useTexts();
  const formats = useFormats();
  const balance = useQuery({ queryKey: ["balance"], queryFn: () => answer(api.GET("/v1/billing/balance")) });
  const found = balance.data;
  return (
    <Sheet title={texts.balance}>
      <Refused problem={balance.error} />
      <p className={classes.figure}>
        {found ? formats.number(found.available_credits) : "–"} <span>{texts.available}</span>
      </p>
      <Text c="dimmed">
        {texts.perSecond}{" "}
        {found ? texts.worth(formats.number(Math.floor(found.available_credits / 60))) : null}
      </Text>
      {found && found.reserved_credits > 0 ? (
        <Text>{texts.reserved(formats.number(found.reserved_credits))}</Text>
      ) : null}
      {found && found.debt_credits > 0 ? <Text>{texts.debt(formats.number(found.debt_credits))}</Text> : null}
    </Sheet>
  );
}
