import { useId, useState } from "react";
import { useFormats } from "../../app/language";
import classes from "./chart.module.css";
import { line, roundAbove, stack, stepAt, sums, type Values } from "./plot";
import { useWords } from "./words";

export interface Series {
  name: string;
  values: Values;
  tone?: "second" | "bad";
}

interface Props {
  title: string;
  lead?: string;
  kind: "bars" | "line";
  /** When each step begins. */
  begins: readonly string[];
  series: readonly Series[];
  format: (value: number) => string;
  /** Where the scale ends; without it, at a round number. */
  top?: number;
}

/** Some series over the same steps. What is drawn is told in words of the step under the pointer, and whole in a table. */
export function Chart({ title, lead, kind, begins, series, format, top }: Props) {
  const words = useWords();
  const formats = useFormats();
  const id = useId();
  const [pointed, setPointed] = useState<number | null>(null);
  const values = series.map((each) => each.values);
  const scale = top ?? roundAbove(kind === "bars" ? sums(values) : values.flat());
  const empty = values.every((each) => each.every((value) => !value));
  const step = pointed ?? begins.length - 1;
  const shown = (value: number | null | undefined) =>
    value === null || value === undefined ? words.none : format(value);
  return (
    <figure className={classes.chart} aria-labelledby={id}>
      <figcaption>
        <h2 className={classes.title} id={id}>
          {title}
        </h2>
        {lead === undefined ? null : <p className={classes.lead}>{lead}</p>}
      </figcaption>
      {empty ? (
        <p className={classes.empty}>{words.overview.nothing}</p>
      ) : (
        <>
          <div className={classes.read}>
            <span>{pointed === null ? words.now : formats.moment(begins[step] ?? "")}</span>
            {series.map((each) => (
              <span key={each.name}>
                <i className={classes.key} data-tone={each.tone} />
                {series.length > 1 ? `${each.name} ` : ""}
                <strong>
                  <bdi>{shown(each.values[step])}</bdi>
                </strong>
              </span>
            ))}
          </div>
          <div className={classes.plot} dir="ltr">
            <span className={classes.top}>{format(scale)}</span>
            <svg
              viewBox={`0 0 ${begins.length} 1`}
              preserveAspectRatio="none"
              aria-hidden="true"
              onPointerMove={(event) => {
                const box = event.currentTarget.getBoundingClientRect();
                setPointed(stepAt(event.clientX - box.left, box.width, begins.length));
              }}
              onPointerLeave={() => setPointed(null)}
            >
              {pointed === null ? null : (
                <rect className={classes.pointed} x={pointed} y="0" width="1" height="1" />
              )}
              {kind === "bars" ? <Stacked series={series} scale={scale} /> : null}
              {kind === "line"
                ? series.map((each) => (
                    <path
                      key={each.name}
                      className={classes.line}
                      data-tone={each.tone}
                      d={line(each.values, scale)}
                    />
                  ))
                : null}
            </svg>
            <div className={classes.axis}>
              <bdi>{formats.moment(begins[0] ?? "")}</bdi>
              <bdi>{words.now}</bdi>
            </div>
          </div>
          <details className={classes.details}>
            <summary>{words.overview.values}</summary>
            <section
              className={classes.values}
              aria-label={words.of(words.overview.values, title)}
              tabIndex={-1}
            >
              <table>
                <thead>
                  <tr>
                    <th scope="col">{words.overview.from}</th>
                    {series.map((each) => (
                      <th key={each.name} scope="col">
                        {each.name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {begins.map((moment, row) => (
                    <tr key={moment}>
                      <th scope="row">{formats.moment(moment)}</th>
                      {series.map((each) => (
                        <td key={each.name}>{shown(each.values[row])}</td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </section>
          </details>
        </>
      )}
    </figure>
  );
}

function Stacked({ series, scale }: { series: readonly Series[]; scale: number }) {
  const parts = stack(
    series.map((each) => each.values),
    scale,
  );
  return series.map((each, part) => (
    <g key={each.name} className={classes.bar} data-tone={each.tone}>
      {parts[part]?.map(({ y, height }, step) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
        height === 0 ? null : <rect key={step} x={step + 0.14} y={y} width="0.72" height={height} />,
      )}
    </g>
  ));
}
