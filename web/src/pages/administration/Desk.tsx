import { Group, Stack, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useUser } from "../../api/session";
import { allowed } from "../../app/access";
import { useTexts } from "../../app/language";
import { PAGES } from "../../app/pages";
import classes from "./desk.module.css";
import { useWords } from "./words";

const ROOT = "/administration";
const SECTIONS = PAGES.filter((page) => page.path.startsWith(ROOT) && !page.path.includes(":"));

/** What stands around every page of administration: the way to the others, its title, and at the end what it offers. */
export function Desk({ title, end, children }: { title: string; end?: ReactNode; children: ReactNode }) {
  const texts = useTexts();
  const words = useWords();
  const user = useUser();
  const [path] = useLocation();
  const here = (page: string) =>
    page === ROOT ? path === ROOT : path === page || path.startsWith(`${page}/`);
  return (
    <Stack gap="lg">
      <nav className={classes.sections} aria-label={words.sections}>
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
