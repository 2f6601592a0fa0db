import { Suspense, useRef } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { Problem } from "../api/problem";
import { type User, useAsked } from "../api/session";
import { Refused } from "../components/Said";
import { Settling } from "../components/Settling";
import { Shell } from "../components/Shell";
import { Slip } from "../components/Slip";
import { Unanswered } from "../components/Unanswered";
import { Waiting } from "../components/Waiting";
import NotFound from "../pages/not-found";
import { allowed } from "./access";
import { Caught } from "./Caught";
import { useTexts } from "./language";
import { HOME, PAGES, type Page } from "./pages";
import { usePageTitle } from "./title";
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
  usePageTitle(page.title(texts));
  const wasAllowed = useRef(false);
  if (user === undefined && page.for !== "anyone") {
    return problem === null ? <Waiting /> : <Unanswered problem={problem} again={ask} />;
  }
  if (page.for === "guest" && user) return <Redirect to={cameFrom(location.search)} replace />;
  if (page.for !== "guest" && page.for !== "anyone" && user === null) {
    return <Redirect to={`/sign-in?next=${encodeURIComponent(path + location.search)}`} replace />;
  }
  if (!allowed(page, user ?? null)) return wasAllowed.current ? <Withdrawn page={page} /> : <NotFound />;
  wasAllowed.current = true;
  // What is of one account ends with it, down to what stands in a field.
  return (
    <Settling key={page.for === "anyone" ? "" : user?.id}>
      <page.page />
    </Settling>
  );
}

/** A page whose role was taken away from who has it open. */
function Withdrawn({ page }: { page: Page }) {
  const texts = useTexts();
  return (
    <Slip title={page.title(texts)}>
      <Refused problem={new Problem(403, "role_withdrawn", "")} />
    </Slip>
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
