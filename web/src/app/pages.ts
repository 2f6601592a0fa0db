import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import type { Texts } from "../texts/en";

type Role = "partner" | "operator" | "admin";

/** One page of the app. Its module is loaded when it is opened, and exports the page as `default`. */
export interface Page {
  /** As the gateway knows it too (`services/gateway/web_app.py`); `:id` is one segment. */
  path: string;
  title: (texts: Texts) => string;
  page: LazyExoticComponent<ComponentType>;
  /** `guest`: who is signed in is led on to their own pages. */
  for: "anyone" | "guest" | "account" | Role;
  /** Whether it stands in the navigation, in the order of this list. */
  inNavigation?: boolean;
}

/** Every page there is, `/` first. */
export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: (texts) => texts.landing.title,
    page: lazy(() => import("../pages/landing")),
    for: "anyone",
  },
  {
    path: "/sign-up",
    title: (texts) => texts.signUp.title,
    page: lazy(() => import("../pages/sign-up")),
    for: "guest",
  },
  {
    path: "/sign-in",
    title: (texts) => texts.signIn.title,
    page: lazy(() => import("../pages/sign-in")),
    for: "guest",
  },
  {
    path: "/account/verify-email",
    title: (texts) => texts.verify.title,
    page: lazy(() => import("../pages/verify-email")),
    for: "anyone",
  },
  {
    path: "/account/reset-password",
    title: (texts) => texts.reset.title,
    page: lazy(() => import("../pages/reset-password")),
    for: "anyone",
  },
  {
    path: "/erasures/:token",
    title: (texts) => texts.erasure.title,
    page: lazy(() => import("../pages/erasure")),
    for: "anyone",
  },
  {
    path: "/s/:token",
    title: (texts) => texts.share.title,
    page: lazy(() => import("../pages/share")),
    for: "anyone",
  },
  {
    path: "/new",
    title: (texts) => texts.newSeparation.title,
    page: lazy(() => import("../pages/new")),
    for: "account",
    inNavigation: true,
  },
  {
    path: "/separations",
    title: (texts) => texts.separations.title,
    page: lazy(() => import("../pages/separations")),
    for: "account",
    inNavigation: true,
  },
  {
    path: "/credits",
    title: (texts) => texts.credits.title,
    page: lazy(() => import("../pages/credits")),
    for: "account",
    inNavigation: true,
  },
  {
    path: "/billing/return/:id",
    title: (texts) => texts.payment.title,
    page: lazy(() => import("../pages/payment-return")),
    for: "anyone",
  },
  {
    path: "/developers",
    title: (texts) => texts.developers.title,
    page: lazy(() => import("../pages/developers")),
    for: "account",
    inNavigation: true,
  },
  {
    path: "/developers/webhooks/:id",
    title: (texts) => texts.webhooks.endpoint,
    page: lazy(() => import("../pages/webhook-endpoint")),
    for: "partner",
  },
  {
    path: "/account",
    title: (texts) => texts.account.title,
    page: lazy(() => import("../pages/account")),
    for: "account",
  },
  {
    path: "/separations/:id",
    title: (texts) => texts.separation.title,
    page: lazy(() => import("../pages/separation")),
    for: "account",
  },
  {
    path: "/administration",
    title: (texts) => texts.administration.title,
    page: lazy(() => import("../pages/administration/overview")),
    for: "operator",
    inNavigation: true,
  },
  {
    path: "/administration/workers",
    title: (texts) => texts.administration.workers,
    page: lazy(() => import("../pages/administration/workers")),
    for: "operator",
  },
  {
    path: "/administration/jobs",
    title: (texts) => texts.administration.jobs,
    page: lazy(() => import("../pages/administration/jobs")),
    for: "operator",
  },
  {
    path: "/administration/jobs/:id",
    title: (texts) => texts.administration.job,
    page: lazy(() => import("../pages/administration/job")),
    for: "operator",
  },
  {
    path: "/administration/dead-letters",
    title: (texts) => texts.administration.deadLetters,
    page: lazy(() => import("../pages/administration/dead-letters")),
    for: "operator",
  },
  {
    path: "/administration/dead-letters/:id",
    title: (texts) => texts.administration.deadLetter,
    page: lazy(() => import("../pages/administration/dead-letter")),
    for: "operator",
  },
  {
    path: "/administration/feedback",
    title: (texts) => texts.administration.feedback,
    page: lazy(() => import("../pages/administration/feedback")),
    for: "operator",
  },
  {
    path: "/administration/users",
    title: (texts) => texts.administration.users,
    page: lazy(() => import("../pages/administration/users")),
    for: "admin",
  },
  {
    path: "/administration/users/:id",
    title: (texts) => texts.administration.user,
    page: lazy(() => import("../pages/administration/user")),
    for: "admin",
  },
  {
    path: "/administration/prices",
    title: (texts) => texts.administration.prices,
    page: lazy(() => import("../pages/administration/prices")),
    for: "admin",
  },
  {
    path: "/administration/payments",
    title: (texts) => texts.administration.payments,
    page: lazy(() => import("../pages/administration/payments")),
    for: "admin",
  },
  {
    path: "/administration/payments/:id",
    title: (texts) => texts.administration.payment,
    page: lazy(() => import("../pages/administration/payment")),
    for: "admin",
  },
  {
    path: "/administration/books",
    title: (texts) => texts.administration.books,
    page: lazy(() => import("../pages/administration/books")),
    for: "operator",
  },
  {
    path: "/administration/audit-log",
    title: (texts) => texts.administration.auditLog,
    page: lazy(() => import("../pages/administration/audit-log")),
    for: "admin",
  },
];

/** Where somebody who has just signed in is led, unless a page sent them. */
export const HOME = "/new";
