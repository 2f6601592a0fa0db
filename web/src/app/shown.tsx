/** For tests: a part of the app as it stands in a browser. */

import { MantineProvider } from "@mantine/core";
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { vi } from "vitest";
import { en } from "../texts/en";
import { LanguageProvider } from "./language";

/** Draws it in English, alone in the document. Returns how to take it away. */
export async function shown(queries: QueryClient, part: ReactNode): Promise<() => Promise<void>> {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  document.body.innerHTML = "<div></div>";
  const root = createRoot(document.querySelector("div") as HTMLElement);
  await act(async () =>
    root.render(
      <LanguageProvider start="en" texts={en}>
        <MantineProvider>
          <QueryClientProvider client={queries}>{part}</QueryClientProvider>
        </MantineProvider>
      </LanguageProvider>,
    ),
  );
  return () => act(async () => root.unmount());
}
