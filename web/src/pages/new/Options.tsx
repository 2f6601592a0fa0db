import { Checkbox, Group, Radio, Select, Stack } from "@mantine/core";
import { useTexts } from "../../app/language";
import { Sheet } from "../../components/Sheet";
import { FORMATS, type FormatName, type Mode, STEMS, type Stem, type Tier, type Wish } from "./wish";

const MODES: readonly Mode[] = ["preview", "full"];
const TIERS: readonly Tier[] = ["fast", "relaxed"];

/** What is to be made of the songs. */
export function Options({ wish, onWish }: { wish: Wish; onWish: (wish: Wish) => void }) {
  const { newSeparation: texts } = useTexts();
  const formats = Object.keys(FORMATS) as FormatName[];
  return (
    <Sheet title={texts.wish}>
      <Stack gap="lg">
        <Radio.Group
          label={texts.mode}
          value={wish.mode}
          onChange={(mode) => onWish({ ...wish, mode: mode as Mode })}
        >
          <Stack gap="xs" mt="xs">
            {MODES.map((mode) => (
              <Radio key={mode} value={mode} label={texts.modes[mode]} description={texts.modeHints[mode]} />
            ))}
          </Stack>
        </Radio.Group>
        {wish.mode === "full" ? (
          <Radio.Group
            label={texts.tier}
            value={wish.tier}
            onChange={(tier) => onWish({ ...wish, tier: tier as Tier })}
          >
            <Stack gap="xs" mt="xs">
              {TIERS.map((tier) => (
                <Radio
                  key={tier}
                  value={tier}
                  label={texts.tiers[tier]}
                  description={texts.tierHints[tier]}
                />
              ))}
            </Stack>
          </Radio.Group>
        ) : null}
        <Checkbox.Group
          label={texts.stems}
          error={wish.stems.length ? undefined : texts.noStem}
          value={[...wish.stems]}
          onChange={(chosen) => onWish({ ...wish, stems: STEMS.filter((stem) => chosen.includes(stem)) })}
        >
          <Group mt="xs">
            {STEMS.map((stem: Stem) => (
              <Checkbox key={stem} value={stem} label={texts.stemNames[stem]} />
            ))}
          </Group>
        </Checkbox.Group>
        <Select
          label={texts.format}
          description={texts.formatHint}
          maw="22rem"
          allowDeselect={false}
          data={formats.map((format) => ({ value: format, label: texts.formats[format] }))}
          value={wish.format}
          onChange={(format) => onWish({ ...wish, format: format as FormatName })}
        />
      </Stack>
    </Sheet>
  );
}
