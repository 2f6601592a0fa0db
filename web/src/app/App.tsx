import { Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { type User, useUser } from "../api/session";
import { Settling } from "../components/Settling";
import { Shell } from "../components/Shell";
import { Waiting } from "../components/Waiting";
import NotFound from "../pages/not-found";
import { allowed } from "./access";
import { Caught } from "./Caught";
import { useTexts } from "./language";
import { HOME, PAGES, type Page } from "./pages";

/** The address to come back to after signing in; only paths of this app are taken. */
export function cameFrom(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  return /^\/(?![/\\])/.test(next) ? next : HOME;
}

function Guarded({ page, user }: { page: Page; user: User | null }) {
  const texts = useTexts();
  const [path] = useLocation();
  useEffect(() => {
    document.title = `${page.title(texts)} · Stemwright`;
  }, [page, texts]);
  if (page.for === "guest" && user !== null) return <Redirect to={cameFrom(location.search)} replace />;
  if (page.for !== "guest" && page.for !== "anyone" && user === null) {
    const here = path === HOME ? "" : `?next=${encodeURIComponent(path + location.search)}`;
    return <Redirect to={`/sign-in${here}`} replace />;
  }
  if (!allowed(page, user)) return <NotFound />;
  return (
    <Settling>
      <page.page />
    </Settling>
  );
}

export function App() {
  const user = useUser();
  const [path] = useLocation();
  return (
    <Shell user={user}>
      <Caught key={path}>
        <Suspense fallback={<Waiting />}>
          {user === undefined ? (
            <Waiting />
          ) : (
            <Switch>
              {PAGES.map((page) => (
                <Route key={page.path} path={page.path}>
                  <Guarded page={page} user={user} />
                </Route>
              ))}
              <Route>
                <NotFound />
              </Route>
            </Switch>
          )}
        </Suspense>
      </Caught>
    </Shell>
  );
}
