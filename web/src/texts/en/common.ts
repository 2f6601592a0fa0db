export const common = {
  tagline: "Two stems that sum to your song, to the last sample.",
  apiDocs: "API",
  skip: "Skip to the content",
  navigation: "Pages",
  loading: "Loading",
  yourAccount: "Your account",
  signOut: "Sign out",
  themes: { light: "Switch to the light theme", dark: "Switch to the dark theme" },
  mishap: "This page could not be shown",
  mishapHint: "It may have been renewed since you opened it. Loading it again usually helps.",
  reload: "Load again",
  notFound: "There is nothing here",
  notFoundHint: "The address may be mistyped, or what was here is gone.",
  toStart: "To the start",
  save: "Save",
  saved: "Saved.",
  more: "Show more",
  close: "Close",
};

/** Titles of the pages of administration, which load the rest of their words themselves. */
export const administration = {
  title: "Administration",
  overview: "Overview",
  workers: "Queue and workers",
  jobs: "Jobs",
  job: "A job",
  users: "Users",
  user: "A user",
  prices: "Prices",
  books: "Books",
  auditLog: "Audit log",
};
