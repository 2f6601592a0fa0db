import { Fragment } from "react";
import type { Job } from "../../api/separation";
import type { Formats } from "../../app/formats";
import { useLanguage } from "../../app/language";
import type { Texts } from "../../texts/en";
import classes from "./separation.module.css";

/** Each part of a value has a direction of its own: "F#" and "11A" are read from left to right in any language. */
type Fact = [name: string, parts: string[]];

/** What a DJ looks for: key, tempo, loudness. */
export function Musical({ analysis }: { analysis: Job["analysis"] }) {
  const { texts, formats } = useLanguage();
  const facts = factsOf(analysis, texts.musical, formats);
  return facts.length ? (
    <dl className={classes.musical}>
      {facts.map(([name, parts]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {parts.map((part, i) => (
              <Fragment key={part}>
                {i > 0 ? " " : null}
                <bdi>{part}</bdi>
              </Fragment>
            ))}
          </dd>
        </div>
      ))}
    </dl>
  ) : null;
}

/** What could not be told is left out. */
export function factsOf(analysis: Job["analysis"], words: Texts["musical"], formats: Formats): Fact[] {
  const tenths = (value: number) => formats.number(Math.round(10 * value) / 10);
  const facts: Fact[] = [];
  if (analysis?.key && analysis.camelot) {
    facts.push([words.key, [...words.keyOf(analysis.key).split(" "), "·", analysis.camelot]]);
  }
  if (analysis?.tempo_bpm != null) {
    facts.push([words.tempo, [words.beats(tenths(analysis.tempo_bpm))]]);
  }
  if (analysis?.loudness_lufs != null) {
    facts.push([words.loudness, [words.lufs(tenths(analysis.loudness_lufs))]]);
  }
  return facts;
}
