import type { Job } from "../../api/separation";
import type { Formats } from "../../app/formats";
import { useLanguage } from "../../app/language";
import type { Texts } from "../../texts/en";
import classes from "./separation.module.css";

type Fact = [name: string, value: string];

/** What a DJ looks for: key, tempo, loudness. */
export function Musical({ analysis }: { analysis: Job["analysis"] }) {
  const { texts, formats } = useLanguage();
  const facts = factsOf(analysis, texts.musical, formats);
  return facts.length ? (
    <dl className={classes.musical}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <bdi>{value}</bdi>
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
    facts.push([words.key, `${words.keyOf(analysis.key)} · ${analysis.camelot}`]);
  }
  if (analysis?.tempo_bpm != null) {
    facts.push([words.tempo, words.beats(tenths(analysis.tempo_bpm))]);
  }
  if (analysis?.loudness_lufs != null) {
    facts.push([words.loudness, words.lufs(tenths(analysis.loudness_lufs))]);
  }
  return facts;
}
