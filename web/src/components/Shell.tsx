import { Alert, Anchor, Button } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { type User, useTakenOver } from "../api/session";
import { allowed } from "../app/access";
import { useTexts } from "../app/language";
import { PAGES } from "../app/pages";
import { LanguageSwitch, ThemeSwitch } from "./choices";
import { Icon } from "./Icon";
import { Mark } from "./Mark";
import classes from "./Shell.module.css";
import { UserMenu } from "./UserMenu";

/** What stands around every page; `user` is undefined while it is not known who is signed in. */
export function Shell({ user, children }: { user: User | null | undefined; children: ReactNode }) {
  const { common } = useTexts();
  return (
    <>
      <a className={classes.skip} href="#content">
        {common.skip}
      </a>
      <header className={classes.header}>
        <div className={classes.bar}>
          <Link href="/" className={classes.brand}>
            <Mark />
            <span>Stemwright</span>
          </Link>
          {user ? <Navigation user={user} /> : null}
          {user === undefined ? <div className={classes.pages} aria-hidden="true" /> : null}
          <div className={classes.end}>
            <LanguageSwitch />
            <ThemeSwitch />
            {user ? <UserMenu user={user} /> : null}
            {user === null ? <SignInLink /> : null}
            {user === undefined ? <div className={classes.menu} aria-hidden="true" /> : null}
          </div>
        </div>
      </header>
      <main className={classes.main} id="content" tabIndex={-1}>
        {user ? <TakenOver email={user.email} /> : null}
        {children}
      </main>
      <footer className={classes.footer}>
        <span>{common.tagline}</span>
        <Anchor href="/docs">{common.apiDocs}</Anchor>
      </footer>
    </>
  );
}

function Navigation({ user }: { user: User }) {
  const texts = useTexts();
  const [path] = useLocation();
  const pages = PAGES.filter((page) => page.inNavigation && allowed(page, user));
  return (
    <nav className={classes.pages} aria-label={texts.common.navigation}>
      {pages.map((page) => (
        <Link
          key={page.path}
          href={page.path}
          className={classes.link}
          aria-current={path === page.path || path.startsWith(`${page.path}/`) ? "page" : undefined}
        >
          {page.title(texts)}
        </Link>
      ))}
    </nav>
  );
}

/** That this window goes on with another account than it began with. */
function TakenOver({ email }: { email: string }) {
  const { common } = useTexts();
  const [takenOver, noted] = useTakenOver();
  if (!takenOver) return null;
  return (
    <Alert
      mb="lg"
      variant="light"
      role="status"
      icon={<Icon name="person" />}
      withCloseButton
      closeButtonLabel={common.close}
      onClose={noted}
    >
      {common.takenOver(email)}
    </Alert>
  );
}

function SignInLink() {
  const { signIn } = useTexts();
  const [path] = useLocation();
  if (path === "/sign-in") return null;
  return (
    <Button component={Link} href="/sign-in" size="sm" variant="default">
      {signIn.title}
    </Button>
  );
}
