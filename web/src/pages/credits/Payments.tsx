import { Anchor, Text } from "@mantine/core";
import { api } from "../../api/client";
import { useItems } from "../../api/lists";
import { answer } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Row, Rows } from "../../components/Rows";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

export function Payments() {
  const { credits: texts } = useTexts();
  const formats = useFormats();
  const payments = useItems(["payments"], (cursor) =>
    answer(api.GET("/v1/billing/payments", { params: { query: { cursor: cursor ?? null } } })),
  );
  return (
    <Sheet title={texts.payments}>
      <Refused problem={payments.error} />
      {payments.items?.length === 0 ? <Text c="dimmed">{texts.noPayments}</Text> : null}
      <Rows>
        {payments.items?.map((payment) => (
          <Row
            key={payment.id}
            end={
              <Anchor
                href={`/v1/billing/payments/${payment.id}/receipt`}
                download
                aria-label={texts.receiptOf(payment.receipt_number)}
              >
                {texts.receipt}
              </Anchor>
            }
          >
            <Text fw={500}>
              {texts.names[payment.name] ?? payment.name} ·{" "}
              {formats.money(payment.amount_minor, payment.currency)}
            </Text>
            <Text size="sm" c="dimmed">
              {[
                formats.day(payment.paid_at),
                ...(payment.refunded_minor > 0
                  ? [texts.refunded(formats.money(payment.refunded_minor, payment.currency))]
                  : []),
                ...(payment.disputed ? [texts.disputed] : []),
              ].join(" · ")}
            </Text>
          </Row>
        ))}
      </Rows>
      <More more={payments.more} loading={payments.loadsMore} />
    </Sheet>
  );
}
