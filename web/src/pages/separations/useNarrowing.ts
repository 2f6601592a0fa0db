import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import type { Status } from "../../api/jobs";

export const SHOWN: readonly Status[] = ["running", "queued", "succeeded", "failed", "canceled", "rejected"];
export const LONGEST_SEARCH = 100;
const TYPED_MILLISECONDS = 250;

/**
 * What narrows the list. It stands in the address, in place of what stood there, so that it is found again by Back and
 * after a reload. `typed` is what stands in the field, of which `search` comes to be a moment later.
 */
export function useNarrowing() {
  const [params, setParams] = useSearchParams();
  const status = SHOWN.find((each) => each === params.get("status")) ?? "";
  const search = (params.get("search") ?? "").trim().slice(0, LONGEST_SEARCH);
  const batch = params.get("batch") || null;
  const [typed, setTyped] = useState(search);
  const put = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  const seek = useDebouncedCallback((text: string) => put("search", text.trim()), TYPED_MILLISECONDS);
  useEffect(() => {
    // It was changed by a link or by Back, and not by typing.
    setTyped((before) => (before.trim() === search ? before : search));
  }, [search]);
  return {
    status: status as Status | "",
    search,
    batch,
    typed,
    type: (text: string) => {
      setTyped(text);
      seek(text);
    },
    show: (chosen: string) => put("status", chosen),
  };
}
