import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import {
  type Overview,
  SPANS,
  type Span,
  useOverview,
  useQueue,
  useRevenue,
  useWorkers,
} from "../../../api/administration";
import { useUser } from "../../../api/session";
import { useFormats, useTexts } from "../../../app/language";
import { Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Waiting } from "../../../components/Waiting";
import { Chart } from "../Chart";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Bars, Figures } from "../Figures";
import { useWords } from "../words";

export default function OverviewPage() {
  const texts = useTexts();
  const words = useWords();
  const [span, setSpan] = useState<Span>("day");
  const overview = useOverview(span);
  return (
    <Desk
      title={texts.administration.title}
      end={
        <SegmentedControl
          aria-label={words.overview.span}
          value={span}
          onChange={(value) => setSpan(value as Span)}
          data={SPANS.map((value) => ({ value, label: words.overview.spans[value] }))}
        />
      }
    >
      <Now />
      <Refused problem={overview.error} />
      {overview.isPending ? <Waiting /> : null}
      {overview.data ? <Charts overview={overview.data} /> : null}
    </Desk>
  );
}

/** What stands at this moment. */
function Now() {
  const words = useWords();
  const formats = useFormats();
  const queue = useQueue();
  const workers = useWorkers().data?.items.filter((worker) => worker.state !== "silent");
  const slots = workers?.reduce((sum, worker) => sum + worker.slots, 0) ?? 0;
  const busy = workers?.reduce((sum, worker) => sum + worker.running.length, 0) ?? 0;
  const known = queue.data;
  const shown = (value: string | undefined) => (known ? (value ?? "") : words.none);
  return (
    <>
      <Refused problem={queue.error} />
      <Figures
        of={[
          [words.overview.outstanding, shown(known && formats.duration(known.outstanding_audio_seconds))],
          [words.queue.queued, shown(known && formats.number(known.queued))],
          [words.queue.running, shown(known && formats.number(known.running))],
          [words.queue.oldest, shown(known && formats.duration(known.oldest_wait_seconds))],
          [words.workers.slots, words.workers.slotsOf(formats.number(busy), formats.number(slots))],
        ]}
      />
    </>
  );
}

function Charts({ overview }: { overview: Overview }) {
  const { overview: words, statuses } = useWords();
  const formats = useFormats();
  const { steps } = overview;
  const begins = steps.map((step) => step.begins_at);
  const rated = steps.reduce((sum, step) => sum + step.ratings, 0);
  return (
    <>
      <div className={classes.charts}>
        <Chart
          title={words.outstanding}
          lead={words.outstandingLead}
          kind="line"
          begins={begins}
          series={[{ name: words.outstanding, values: steps.map((step) => step.outstanding_audio_seconds) }]}
          format={formats.duration}
        />
        <Chart
          title={words.waits}
          lead={words.waitsLead}
          kind="line"
          begins={begins}
          series={[
            { name: words.most, values: steps.map((step) => step.wait_p95_seconds) },
            { name: words.half, values: steps.map((step) => step.wait_p50_seconds), tone: "second" },
          ]}
          format={formats.duration}
        />
        <Chart
          title={words.throughput}
          lead={words.throughputLead}
          kind="bars"
          begins={begins}
          series={[{ name: words.throughput, values: steps.map((step) => step.succeeded_audio_seconds) }]}
          format={formats.duration}
        />
        <Chart
          title={words.ended}
          kind="bars"
          begins={begins}
          series={[
            { name: statuses.succeeded, values: steps.map((step) => step.succeeded) },
            {
              name: statuses.canceled,
              values: steps.map((step) => step.canceled + step.rejected),
              tone: "second",
            },
            { name: statuses.failed, values: steps.map((step) => step.failed), tone: "bad" },
          ]}
          format={formats.number}
        />
        <Chart
          title={words.ratings}
          lead={`${words.ratingsLead} ${words.ratingsOf(formats.number(rated))}.`}
          kind="line"
          begins={begins}
          series={[{ name: words.ratings, values: steps.map((step) => step.mean_rating) }]}
          format={(value) => formats.number(Math.round(value * 10) / 10)}
          top={5}
        />
        <Revenue span={overview.span} />
      </div>
      <Sheet title={words.failures}>
        {overview.failures.length ? (
          <Bars of={overview.failures.map(({ code, jobs }) => [code, jobs])} format={formats.number} />
        ) : (
          words.noFailures
        )}
      </Sheet>
    </>
  );
}

/** For admins: what was paid, a chart for each currency. */
function Revenue({ span }: { span: Span }) {
  const { overview: words } = useWords();
  const formats = useFormats();
  const isAdmin = useUser()?.roles.includes("admin") ?? false;
  const revenue = useRevenue(span, isAdmin);
  if (!isAdmin) return null;
  if (revenue.data === undefined) return <Refused problem={revenue.error} />;
  const { begins, currencies } = revenue.data;
  return (currencies.length ? currencies : [{ currency: "", paid_minor: [], refunded_minor: [] }]).map(
    (of) => (
      <Chart
        key={of.currency}
        title={words.revenue}
        lead={words.revenueLead}
        kind="bars"
        begins={begins}
        series={[
          {
            name: words.paid,
            values: of.paid_minor.map((paid, step) => paid - (of.refunded_minor[step] ?? 0)),
          },
          { name: words.paidBack, values: of.refunded_minor, tone: "bad" },
        ]}
        format={(minor) => formats.money(minor, of.currency)}
      />
    ),
  );
}
