import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { LANGUAGES, useLanguage } from "../app/language";
import { Icon } from "./Icon";

/** Light or dark; until somebody chooses, as the system has it. */
export function ThemeSwitch() {
  const { texts } = useLanguage();
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const next = now === "dark" ? "light" : "dark";
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={texts.common.themes[next]}
      onClick={() => setColorScheme(next)}
    >
      <Icon name={next === "dark" ? "moon" : "sun"} />
    </ActionIcon>
  );
}

/** The other language, named in itself. */
export function LanguageSwitch() {
  const { language, speak } = useLanguage();
  const other = language === "en" ? "fa" : "en";
  return (
    <Button
      variant="subtle"
      color="gray"
      size="compact-sm"
      lang={other}
      onClick={() => void speak(other)}
      px="xs"
    >
      {LANGUAGES[other]}
    </Button>
  );
}
