import { Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { type User, useAsked } from "../api/session";
import { Settling } from "../components/Settling";
import { Shell } from "../components/Shell";
import { Unanswered } from "../components/Unanswered";
import { Waiting } from "../components/Waiting";
import NotFound from "../pages/not-found";
import { allowed } from "./access";
import { Caught } from "./Caught";
import { useTexts } from "./language";
import { HOME, PAGES, type Page } from "./pages";
import { useArrival } from "./useArrival";

/** The address to come back to after signing in; only paths of this app are taken. */
export function cameFrom(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  return /^\/(?![/\\])/.test(next) ? next : HOME;
}

interface Asked {
  /** Undefined while it is not known who is signed in. */
  user: User | null | undefined;
  /** Why it could not be known so far. */
  problem: unknown;
  ask: () => void;
}

function Guarded({ page, user, problem, ask }: { page: Page } & Asked) {
  const texts = useTexts();
  const [path] = useLocation();
  useEffect(() => {
    document.title = `${page.title(texts)} · Stemwright`;
  }, [page, texts]);
  if (user === undefined && page.for !== "anyone") {
    return problem === null ? <Waiting /> : <Unanswered problem={problem} again={ask} />;
  }
  if (page.for === "guest" && user) return <Redirect to={cameFrom(location.search)} replace />;
  if (page.for !== "guest" && page.for !== "anyone" && user === null) {
    return <Redirect to={`/sign-in?next=${encodeURIComponent(path + location.search)}`} replace />;
  }
  if (!allowed(page, user ?? null)) return <NotFound />;
  // What is of one account ends with it, down to what stands in a field.
  return (
    <Settling key={page.for === "anyone" ? "" : user?.id}>
      <page.page />
    </Settling>
  );
}

export function App() {
  const asked = useAsked();
  const [path] = useLocation();
  useArrival();
  return (
    <Shell user={asked.user}>
      <Caught key={path}>
        <Suspense fallback={<Waiting />}>
          <Switch>
            {PAGES.map((page) => (
              <Route key={page.path} path={page.path}>
                <Guarded page={page} {...asked} />
              </Route>
            ))}
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </Caught>
    </Shell>
  );
}
