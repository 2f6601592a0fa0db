import "@fontsource-variable/bricolage-grotesque/wght.css";
import "@fontsource-variable/instrument-sans/wght.css";
import "@fontsource-variable/vazirmatn/wght.css";
import "@mantine/core/styles.layer.css";
import "./app/global.css";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, StrictMode, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { chosenLanguage, LanguageProvider, textsOf, useTexts } from "./app/language";
import { newQueries } from "./app/queries";
import { spoken, variables } from "./app/theme";

/** The gateway lets styles pass that carry the number of its answer, which stands in the page. */
function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

function Painted({ children }: { children: ReactNode }) {
  const texts = useTexts();
  const theme = useMemo(() => spoken(texts), [texts]);
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={styleNonce}
    >
      {children}
    </MantineProvider>
  );
}

async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (root === null) throw new Error("The page has no #root.");
  const language = chosenLanguage();
  const texts = await textsOf(language);
  const queries = newQueries();
  createRoot(root).render(
    <StrictMode>
      <LanguageProvider start={language} texts={texts}>
        <Painted>
          <QueryClientProvider client={queries}>
            <App />
          </QueryClientProvider>
        </Painted>
      </LanguageProvider>
    </StrictMode>,
  );
}

void start();
