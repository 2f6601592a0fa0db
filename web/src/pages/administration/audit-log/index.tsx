import { Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useTexts } from "../../../app/language";
import { AuditEntries, type Kind } from "../AuditEntries";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { useWords } from "../words";

const TYPED_MILLISECONDS = 250;

export default function AuditLog() {
  const texts = useTexts();
  const { audit: words } = useWords();
  const [kind, setKind] = useState("");
  const [account, setAccount] = useState("");
  const [sought] = useDebouncedValue(account.trim(), TYPED_MILLISECONDS);
  const kinds = Object.entries(texts.account.kinds).map(([value, label]) => ({ value, label }));
  return (
    <Desk title={texts.administration.auditLog}>
      <Text c="dimmed">{words.lead}</Text>
      <Group align="end">
        <Select
          label={words.kind}
          size="md"
          searchable
          allowDeselect={false}
          data={[{ value: "", label: words.any }, ...kinds]}
          value={kind}
          onChange={(value) => setKind(value ?? "")}
          flex="1 1 14rem"
        />
        <TextInput
          label={words.account}
          type="search"
          dir="ltr"
          maxLength={40}
          value={account}
          onChange={(event) => setAccount(event.currentTarget.value)}
          flex="1 1 18rem"
        />
      </Group>
      <section className={classes.sheet} aria-label={words.title}>
        <AuditEntries accountId={sought || null} kind={(kind || null) as Kind | null} />
      </section>
    </Desk>
  );
}
