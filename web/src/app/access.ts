import type { User } from "../api/session";
import type { Page } from "./pages";

/** Whether a page is for this person. Admins may all that operators may; the API asks again in any case. */
export function allowed(page: Page, user: User | null): boolean {
  if (page.for === "anyone" || page.for === "guest") return true;
  if (user === null) return false;
  if (page.for === "account" || user.roles.includes(page.for)) return true;
  return page.for === "operator" && user.roles.includes("admin");
}
