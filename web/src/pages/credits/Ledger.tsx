import { Table } from "@mantine/core";
import { api } from "../../api/client";
import { useItems } from "../../api/lists";
import { answer } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./credits.module.css";

export function Ledger() {
  const { credits: texts } = useTexts();
  const formats = useFormats();
  const entries = useItems(["ledger"], (cursor) =>
    answer(api.GET("/v1/billing/ledger", { params: { query: { cursor: cursor ?? null } } })),
  );
  return (
    <Sheet title={texts.ledger}>
      <Refused problem={entries.error} />
      <section className={classes.table} aria-label={texts.ledger}>
        <Table verticalSpacing="sm" horizontalSpacing="xs" tabularNums>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{texts.when}</Table.Th>
              <Table.Th>{texts.what}</Table.Th>
              <Table.Th ta="end">{texts.change}</Table.Th>
              <Table.Th ta="end" visibleFrom="xs">
                {texts.after}
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {entries.items?.map((entry) => (
              <Table.Tr key={entry.id}>
                <Table.Td>{formats.moment(entry.created_at)}</Table.Td>
                <Table.Td>{texts.kinds[entry.kind]}</Table.Td>
                <Table.Td ta="end">
                  <bdi>{formats.change(entry.available_change_credits)}</bdi>
                </Table.Td>
                <Table.Td ta="end" visibleFrom="xs">
                  {formats.number(entry.available_after_credits)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </section>
      <More more={entries.more} loading={entries.loadsMore} />
    </Sheet>
  );
}
