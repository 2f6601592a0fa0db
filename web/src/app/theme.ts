import {
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  type MantineThemeOverride,
  mergeThemeOverrides,
} from "@mantine/core";
import type { Texts } from "../texts/en";

/** The two stems have a colour each, everywhere: ember sings, pine plays. */
const ember: MantineColorsTuple = [
  "#fff3ee",
  "#fde3d8",
  "#f9c4ae",
  "#f5a283",
  "#f08560",
  "#ea6c42",
  "#d4512a",
  "#b9421f",
  "#96351a",
  "#742a16",
];
const pine: MantineColorsTuple = [
  "#eafaf7",
  "#d3f1ec",
  "#a5e2d9",
  "#73d1c5",
  "#46bdb0",
  "#22a196",
  "#14847b",
  "#0e6b64",
  "#0b554f",
  "#083f3b",
];
/** Of what is refused, and of what cannot be undone. */
const red: MantineColorsTuple = [
  "#fff0ee",
  "#fddcd8",
  "#fab7af",
  "#f79c91",
  "#f4867a",
  "#e0574a",
  "#c93a2d",
  "#b3261e",
  "#8f1d17",
  "#6d1510",
];
/** Greys of paper and of wood smoke instead of blue ones. */
const gray: MantineColorsTuple = [
  "#faf8f5",
  "#f4f1ec",
  "#e9e4dc",
  "#dad3c8",
  "#c2b9ab",
  "#9a9082",
  "#6f675c",
  "#544d44",
  "#38332d",
  "#211e1a",
];
const dark: MantineColorsTuple = [
  "#ece8e1",
  "#cfc9bf",
  "#a8a196",
  "#827b71",
  "#544e47",
  "#3a3530",
  "#2b2723",
  "#1f1c19",
  "#181513",
  "#110f0d",
];

const SANS = '"Instrument Sans Variable", "Vazirmatn Variable", system-ui, sans-serif';
const DISPLAY = '"Bricolage Grotesque Variable", "Vazirmatn Variable", system-ui, sans-serif';

const theme = createTheme({
  colors: { ember, pine, red, gray, dark },
  primaryColor: "ember",
  primaryShade: { light: 7, dark: 4 },
  black: "#211e1a",
  fontFamily: SANS,
  fontSizes: { xs: "0.8125rem", sm: "0.9rem", md: "1rem", lg: "1.125rem", xl: "1.3rem" },
  lineHeights: { xs: "1.4", sm: "1.5", md: "1.55", lg: "1.5", xl: "1.4" },
  headings: {
    fontFamily: DISPLAY,
    fontWeight: "600",
    textWrap: "balance",
    sizes: {
      h1: { fontSize: "clamp(1.75rem, 1.4rem + 1.6vw, 2.25rem)", lineHeight: "1.15" },
      h2: { fontSize: "1.35rem", lineHeight: "1.25" },
      h3: { fontSize: "1.1rem", lineHeight: "1.35" },
    },
  },
  defaultRadius: "md",
  radius: { xs: "4px", sm: "6px", md: "10px", lg: "14px", xl: "20px" },
  respectReducedMotion: true,
  cursorType: "pointer",
  components: {
    TextInput: { defaultProps: { size: "md" } },
    PasswordInput: { defaultProps: { size: "md" } },
    // Named, so that styles can tell it from the others.
    Button: { defaultProps: { size: "md", variant: "filled" } },
    ActionIcon: { defaultProps: { variant: "filled" } },
    Anchor: { defaultProps: { underline: "always" } },
  },
});

/** The theme with what it says: the x of every dialog has a name. */
export function spoken({ common }: Texts): MantineThemeOverride {
  const closeButtonProps = { "aria-label": common.close };
  return mergeThemeOverrides(theme, { components: { Modal: { defaultProps: { closeButtonProps } } } });
}

/** What pages are painted on; `--ground` lies behind everything, `--sheet` is a card on it. */
export const variables: CSSVariablesResolver = () => ({
  variables: { "--app-width": "68rem" },
  light: {
    "--ground": "#faf8f5",
    "--sheet": "#ffffff",
    "--edge": "#e9e4dc",
    "--quiet": "#6a6257",
    "--vocals": "#d4512a",
    "--instrumental": "#14847b",
    "--mantine-color-body": "#faf8f5",
    "--mantine-color-text": "#211e1a",
    "--mantine-color-dimmed": "#6a6257",
    "--mantine-color-anchor": "#b9421f",
    "--mantine-color-error": "#b3261e",
  },
  dark: {
    "--ground": "#131110",
    "--sheet": "#1c1917",
    "--edge": "#332e29",
    "--quiet": "#a8a196",
    "--vocals": "#f08560",
    "--instrumental": "#46bdb0",
    "--mantine-color-body": "#131110",
    "--mantine-color-text": "#ece8e1",
    "--mantine-color-dimmed": "#a8a196",
    "--mantine-color-anchor": "#f5a283",
    "--mantine-color-error": "#ff9a8f",
  },
});
