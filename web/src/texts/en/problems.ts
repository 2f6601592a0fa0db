export const problems = {
  unknown: "Something went wrong on our side. Try again in a moment.",
  tooMany: "That was a lot at once.",
  waitSeconds: (seconds: number) =>
    seconds < 90 ? `Try again in ${seconds} seconds.` : `Try again in ${Math.ceil(seconds / 60)} minutes.`,
  /** By the API's `code`; one that is not here is told in the API's own words. */
  codes: {
    unreachable: "There was no answer. Check your connection and try again.",
    source_not_allowed:
      "Songs are not fetched from this address. It has to begin with https:// and name a public server.",
    unauthorized: "You are not signed in any more.",
    invalid_grant: "Address and password do not go together.",
    account_disabled: "This account is closed to signing in. Write to whoever runs this platform.",
    wrong_code: "This code does not fit. Take the one your app shows now.",
    wrong_password: "This is not your present password.",
    link_not_valid: "This link has been used, or is too old. Ask for a new one.",
    job_not_found: "There is no such separation. It may have been deleted.",
    user_not_found: "There is no such user.",
    payment_not_found: "There is no such payment.",
    dead_letter_not_found: "There is no such dead letter, or not any more.",
    dead_letter_decided: "Somebody has dealt with this dead letter already.",
    webhook_endpoint_not_found: "There is no such webhook endpoint.",
    erasure_not_found: "There is no receipt at this address.",
    payments_off: "Nothing is sold here.",
    payment_provider_unavailable: "Payments are not possible at the moment. Try again later.",
    too_many_checkouts: "Several payments are open. Finish one of them, or wait until they expire.",
    too_many_open_jobs: "Many of your separations have not ended yet. Wait for some of them.",
    too_many_mails: "Several mails are on their way to this address already.",
    too_many_guesses: "There were several wrong tries.",
    csrf_failed: "This page and your sign-in do not belong together any more. Load the page again.",
    upstream_unavailable: "A part of the platform is restarting. Try again in a moment.",
    overloaded: "Much is going on at the moment. Try again in a moment.",
  },
};
