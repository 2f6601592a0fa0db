import "@fontsource-variable/bricolage-grotesque/wght.css";
import "@fontsource-variable/instrument-sans/wght.css";
import "@fontsource-variable/vazirmatn/wght.css";
import "@mantine/core/styles.layer.css";
import "./app/global.css";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { chosenLanguage, LanguageProvider, textsOf } from "./app/language";
import { newQueries } from "./app/queries";
import { theme, variables } from "./app/theme";

/** The gateway lets styles pass that carry the number of its answer, which stands in the page. */
function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (root === null) throw new Error("The page has no #root.");
  const language = chosenLanguage();
  const texts = await textsOf(language);
  createRoot(root).render(
    <StrictMode>
      <LanguageProvider start={language} texts={texts}>
        <MantineProvider
          theme={theme}
          cssVariablesResolver={variables}
          defaultColorScheme="auto"
          getStyleNonce={styleNonce}
        >
          <QueryClientProvider client={newQueries()}>
            <App />
          </QueryClientProvider>
        </MantineProvider>
      </LanguageProvider>
    </StrictMode>,
  );
}

void start();
