import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Lays compressed copies beside the assets, so that the gateway compresses nothing while somebody waits. */
function compressed(): Plugin {
  return {
    name: "compressed",
    writeBundle({ dir = "." }) {
      const assets = join(dir, "assets");
      for (const name of readdirSync(assets).filter((each) => /\.(js|css|svg)$/.test(each))) {
        const content = readFileSync(join(assets, name));
        writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content));
        writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
      }
    },
  };
}

/** Of signalsmith-stretch, the compiled library alone: its audio node loads itself from a blob, which the policy of the pages forbids. */
function stretchLibrary(): Plugin {
  return {
    name: "stretch-library",
    transform(code, id) {
      if (!/\/SignalsmithStretch\.mjs(\?|$)/.test(id)) return null;
      const node = code.indexOf("function registerWorkletProcessor");
      if (node < 0) throw new Error("signalsmith-stretch is not built as it was: see stretchLibrary");
      return { code: `${code.slice(0, node)}export default SignalsmithStretch;\n`, map: null };
    },
  };
}

export default defineConfig({
  plugins: [react(), stretchLibrary(), compressed()],
  worker: { plugins: () => [stretchLibrary()] },
  // Made ready ahead of time, it would pass by the plugin.
  optimizeDeps: { exclude: ["signalsmith-stretch"] },
  cacheDir: ".vite",
  // The gateway puts a fresh one in its place with every answer; Mantine reads it for its styles.
  html: { cspNonce: "NONCE-OF-THIS-ANSWER" },
  build: {
    outDir: "../services/gateway/web",
    emptyOutDir: true,
    // The policy of the pages allows no data: addresses for scripts and fonts.
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // `npm run dev` beside `make up`.
    proxy: Object.fromEntries(
      ["/v1", "/docs", "/billing/sandbox"].map((path) => [path, { target: "http://127.0.0.1:8080" }]),
    ),
  },
  // A document is made for the tests that ask for one, for it costs more than they do. Nothing here waits for real time;
  // a machine on which much runs may take long.
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    testTimeout: 60_000,
    // Files leave nothing behind that others would meet, in whichever order; a world of its own for each takes as long as
    // all they do.
    pool: "threads",
    isolate: false,
    server: { deps: { inline: ["signalsmith-stretch"] } },
  },
});
