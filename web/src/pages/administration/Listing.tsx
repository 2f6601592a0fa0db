import type { ReactNode } from "react";
import classes from "./desk.module.css";

export interface Column<T> {
  /** Empty for what needs no name, such as buttons. */
  name: string;
  cell: (row: T) => ReactNode;
  /** Numbers stand at the end. */
  end?: boolean;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
}

/** A table that becomes a list of cards on a phone; roles are named, for a table that is laid out otherwise loses them. */
export function Listing<T>({ label, columns, rows, keyOf }: Props<T>) {
  const style = (column: Column<T>) =>
    [column.end ? classes.end : "", column === columns.at(-1) ? classes.last : ""].join(" ");
  return (
    // biome-ignore lint/a11y/noRedundantRoles: see above
    <table className={classes.listing} aria-label={label} role="table">
      {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
      <thead role="rowgroup">
        {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
        <tr role="row">
          {columns.map((column) => (
            // biome-ignore lint/a11y/noRedundantRoles: see above
            <th key={column.name} className={style(column)} role="columnheader" scope="col">
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
      <tbody role="rowgroup">
        {rows.map((row) => (
          // biome-ignore lint/a11y/noRedundantRoles: see above
          <tr key={keyOf(row)} role="row">
            {columns.map((column) => (
              // biome-ignore lint/a11y/noRedundantRoles: see above
              <td key={column.name} className={style(column)} data-label={column.name} role="cell">
                <div>{column.cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
