import { DirectionProvider, useDirection } from "@mantine/core";
import { createContext, type ReactNode, useContext, useMemo, useState } from "react";
import { en, type Texts } from "../texts/en";
import { type Formats, formats } from "./formats";

/** The languages that there are texts in; each is named in itself. */
export const LANGUAGES = { en: "English", fa: "فارسی" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "stemwright-language";

interface Speech {
  language: Language;
  texts: Texts;
  formats: Formats;
  speak: (language: Language) => Promise<void>;
}

const Context = createContext<Speech | null>(null);

/** The catalogue of a language; all but English are loaded when they are needed. */
export async function textsOf(language: Language): Promise<Texts> {
  return language === "en" ? en : (await import("../texts/fa")).fa;
}

/** What was chosen here before, else what the browser asks for. `early.js` does the same before anything is drawn. */
export function chosenLanguage(): Language {
  return document.documentElement.lang === "fa" ? "fa" : "en";
}

function keep(language: Language): void {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Where nothing can be kept it lasts as long as the page.
  }
}

function Speaking({ start, texts: first, children }: { start: Language; texts: Texts; children: ReactNode }) {
  const { setDirection } = useDirection();
  const [{ language, texts }, setSpoken] = useState({ language: start, texts: first });
  const speech = useMemo<Speech>(
    () => ({
      language,
      texts,
      formats: formats(language),
      speak: async (next) => {
        const spoken = await textsOf(next);
        keep(next);
        document.documentElement.lang = next;
        setDirection(next === "fa" ? "rtl" : "ltr");
        setSpoken({ language: next, texts: spoken });
      },
    }),
    [language, texts, setDirection],
  );
  return <Context value={speech}>{children}</Context>;
}

/** Gives what is within it texts, formats and a direction; `texts` are those of `start`. */
export function LanguageProvider(props: { start: Language; texts: Texts; children: ReactNode }) {
  return (
    <DirectionProvider initialDirection={props.start === "fa" ? "rtl" : "ltr"} detectDirection={false}>
      <Speaking {...props} />
    </DirectionProvider>
  );
}

export function useLanguage(): Speech {
  const speech = useContext(Context);
  if (speech === null) throw new Error("There is no LanguageProvider around this.");
  return speech;
}

/** The catalogue in the language that is spoken. */
export function useTexts(): Texts {
  return useLanguage().texts;
}

/** Numbers, dates, amounts in the language that is spoken. */
export function useFormats(): Formats {
  return useLanguage().formats;
}
