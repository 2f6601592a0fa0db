import { Group, Stack, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import { useUser } from "../../api/session";
import { allowed } from "../../app/access";
import { useTexts } from "../../app/language";
import { PAGES } from "../../app/pages";
import classes from "./desk.module.css";
import { useWords } from "./words";

const ROOT = "/administration";
const SECTIONS = PAGES.filter((page) => page.path.startsWith(ROOT) && !page.path.includes(":"));

function centre(element: HTMLElement): number {
  const box = element.getBoundingClientRect();
  return (box.left + box.right) / 2;
}

/** What stands around every page of administration: the way to the others, its title, and at the end what it offers. */
export function Desk({ title, end, children }: { title: string; end?: ReactNode; children: ReactNode }) {
  const texts = useTexts();
  const words = useWords();
  const user = useUser();
  const [path] = useLocation();
  const sections = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the sections are wider than the page: the present one is brought into sight.
    const nav = sections.current;
    const present = nav?.querySelector<HTMLElement>("[aria-current]");
    if (nav && present) nav.scrollLeft += centre(present) - centre(nav);
  }, []);
  const here = (page: string) =>
    page === ROOT ? path === ROOT : path === page || path.startsWith(`${page}/`);
  return (
    <Stack gap="lg">
      <nav ref={sections} className={classes.sections} aria-label={words.sections}>
        {SECTIONS.filter((page) => allowed(page, user ?? null)).map((page) => (
          <Link
            key={page.path}
            href={page.path}
            className={classes.section}
            aria-current={here(page.path) ? "page" : undefined}
          >
            {page.path === ROOT ? texts.administration.overview : page.title(texts)}
          </Link>
        ))}
      </nav>
      <Group justify="space-between" gap="sm">
        <Title order={1}>{title}</Title>
        {end}
      </Group>
      {children}
    </Stack>
  );
}
