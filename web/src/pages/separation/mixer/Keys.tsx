import { Popover } from "@mantine/core";
import { useTexts } from "../../../app/language";
import classes from "./mixer.module.css";

/** What the keyboard does here. */
export function Keys() {
  const { mixer } = useTexts();
  return (
    <Popover position="top-end" shadow="md" withinPortal={false}>
      <Popover.Target>
        <button type="button" className={classes.keysButton}>
          {mixer.shortcuts}
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <dl className={classes.keys}>
          {mixer.keys.map(([key, meaning]) => (
            <div key={key}>
              <dt>
                <kbd dir="ltr">{key}</kbd>
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
      </Popover.Dropdown>
    </Popover>
  );
}
