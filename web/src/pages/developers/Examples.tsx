import { Button, Code, CopyButton, Group, Tabs, Text } from "@mantine/core";
import { useTexts } from "../../app/language";
import { Sheet } from "../../components/Sheet";
import classes from "./developers.module.css";
import { examples, KEY } from "./examples";

/** Programs to copy, made out to this platform's address. */
export function Examples() {
  const { developers: words } = useTexts();
  const programs = examples(location.origin);
  return (
    <Sheet title={words.examples} lead={words.examplesLead}>
      <Text>
        {words.keyFirst} <Code dir="ltr">export {KEY}=sk_…</Code>
      </Text>
      <Tabs defaultValue="curl" keepMounted={false}>
        <Tabs.List aria-label={words.examples}>
          {programs.map(({ name }) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {programs.map(({ name, start, text }) => (
          <Tabs.Panel key={name} value={name} pt="md">
            <Group justify="space-between" mb="xs">
              <Text size="sm" c="dimmed">
                {start === null ? words.paste : words.saveAndStart}{" "}
                {start ? <Code dir="ltr">{start}</Code> : null}
              </Text>
              <CopyButton value={text}>
                {({ copied, copy }) => (
                  <Button
                    size="compact-md"
                    variant="default"
                    onClick={copy}
                    aria-label={words.copyExample(name)}
                  >
                    {copied ? words.copied : words.copy}
                  </Button>
                )}
              </CopyButton>
            </Group>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keyboard too. */}
            <section className={classes.program} dir="ltr" tabIndex={0} aria-label={name}>
              <pre>
                <code>{text}</code>
              </pre>
            </section>
          </Tabs.Panel>
        ))}
      </Tabs>
    </Sheet>
  );
}
