/** Numbers, times and amounts as a language writes them. */
export interface Formats {
  number: (value: number) => string;
  /** With its sign, also of what came in. */
  change: (value: number) => string;
  /** Of `1234` in euros: €12.34. `minor` is in the smallest unit of the currency. */
  money: (minor: number, currency: string) => string;
  day: (time: string) => string;
  moment: (time: string) => string;
  /** To the second, for what follows closely upon another. */
  instant: (time: string) => string;
  /** `3.4 MB`. */
  size: (bytes: number) => string;
  /** `3:07`, or `1:02:03`. */
  duration: (seconds: number) => string;
}

/** The first characters as the API counts them, code points: an emoji is one, and is not cut in two. */
export function shortened(text: string, most: number): string {
  return [...text].slice(0, most).join("");
}

const SIZES_LEAST = ["kilobyte", 1000] as const;
const SIZES = [["gigabyte", 1e9], ["megabyte", 1e6], SIZES_LEAST] as const;
const LOCALES = { en: "en-GB", fa: "fa-IR" } as const;

/** How many digits of an amount stand behind its point: 2 of euros, 0 of yen. */
export function minorDigits(currency: string): number {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: currency.toUpperCase() });
  return format.resolvedOptions().maximumFractionDigits ?? 2;
}

export function formats(language: keyof typeof LOCALES): Formats {
  const locale = LOCALES[language];
  const numbers = new Intl.NumberFormat(locale);
  const changes = new Intl.NumberFormat(locale, { signDisplay: "exceptZero" });
  const days = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
  const moments = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const instants = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const two = new Intl.NumberFormat(locale, { minimumIntegerDigits: 2, useGrouping: false });
  return {
    number: (value) => numbers.format(value),
    change: (value) => changes.format(value),
    money: (minor, currency) => {
      const format = new Intl.NumberFormat(locale, { style: "currency", currency: currency.toUpperCase() });
      return format.format(minor / 10 ** minorDigits(currency));
    },
    day: (time) => days.format(new Date(time)),
    moment: (time) => moments.format(new Date(time)),
    instant: (time) => instants.format(new Date(time)),
    size: (bytes) => {
      const [unit, of] = SIZES.find(([, least]) => bytes >= least) ?? SIZES_LEAST;
      const style = { style: "unit", unit, maximumFractionDigits: 1 } as const;
      return new Intl.NumberFormat(locale, style).format(bytes / of);
    },
    duration: (seconds) => {
      const whole = Math.round(seconds);
      const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
      const short = `${hours ? two.format(minutes) : numbers.format(minutes)}:${two.format(rest)}`;
      return hours ? `${numbers.format(hours)}:${short}` : short;
    },
  };
}
