import { useLanguage } from "../../app/language";
import { administration as en } from "../../texts/en/administration";
import { administration as fa } from "../../texts/fa/administration";

const CATALOGUES = { en, fa };

/** The words of administration, which come with its pages. */
export function useWords() {
  return CATALOGUES[useLanguage().language];
}
