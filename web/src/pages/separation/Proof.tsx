import { Text } from "@mantine/core";
import type { Job } from "../../api/separation";
import type { Formats } from "../../app/formats";
import { type Language, useLanguage } from "../../app/language";
import { Sheet } from "../../components/Sheet";
import type { Texts } from "../../texts/en";
import classes from "./separation.module.css";

const LOSSLESS = new Set(["flac", "wav"]);

export function lossless(job: Job): boolean {
  return LOSSLESS.has(job.output.format ?? "flac");
}

/** What the measurement says and no more, in sentences. */
export function proofOf(job: Job, words: Texts["results"], formats: Formats): string[] {
  const { quality } = job;
  if (quality === null) return [];
  const residual = quality.null_residual_dbfs;
  const decibels = residual === null ? null : formats.number(Math.round(Math.abs(residual)));
  if (!lossless(job)) {
    const before = quality.null_measured === "before_encoding" && decibels !== null;
    const lossy = words.lossy((job.output.format ?? "").toUpperCase());
    return before ? [lossy, words.beforeEncoding(decibels)] : [lossy];
  }
  if (quality.sum_is_exact === null) return [words.partly];
  if (quality.sum_is_exact || decibels === null) return [words.exact, words.caveat];
  return [words.within(decibels), words.caveat];
}

/** How long it took to make, and which model did. */
export function Proof({ job }: { job: Job }) {
  const { texts, formats, language } = useLanguage();
  const words = texts.results;
  const length = job.stems[0]?.duration_seconds ?? 0;
  const facts: [string, string][] = [
    [
      words.model,
      job.model.digest ? `${job.model.name} (${job.model.digest.slice(0, 15)}…)` : job.model.name,
    ],
    [words.took, words.tookText(seconds(tookSeconds(job), language), formats.duration(length))],
    [words.price, job.price_credits ? words.credits(formats.number(job.price_credits)) : words.free],
  ];
  return (
    <Sheet title={words.proof}>
      {proofOf(job, words, formats).map((sentence) => (
        <Text key={sentence}>{sentence}</Text>
      ))}
      <dl className={classes.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </Sheet>
  );
}

function tookSeconds(job: Job): number {
  if (job.started_at === null || job.finished_at === null) return 0;
  return (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
}

function seconds(value: number, language: Language): string {
  const format = {
    style: "unit",
    unit: "second",
    unitDisplay: "long",
    maximumFractionDigits: value < 10 ? 1 : 0,
  };
  return new Intl.NumberFormat(language, format as Intl.NumberFormatOptions).format(value);
}
