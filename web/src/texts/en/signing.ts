const fields = {
  email: "Email",
  password: "Password",
  passwordHint: "8 characters or more. Several words are easier to remember.",
};

export const signIn = {
  ...fields,
  title: "Sign in",
  submit: "Sign in",
  forgotten: "Forgotten your password?",
  noAccount: "No account yet?",
  create: "Create one",
  code: "Code of your authenticator app",
  codeHint: "Six digits. One of your recovery codes does as well.",
  codeLead: "Your account asks for a second factor.",
  sessionEnded: "You were signed out. Sign in to go on where you were.",
};

export const signUp = {
  ...fields,
  title: "Create an account",
  submit: "Create the account",
  name: "Name",
  nameHint: "What we call you. You may leave it out.",
  haveOne: "Have an account already?",
  checkMail: "Look at your mail",
  checkMailText: (email: string) =>
    `We have written to ${email}. Open the link in that mail, and the account is yours.`,
};

export const verify = {
  title: "Confirm your address",
  lead: "One press, and we know that this address is yours.",
  submit: "Confirm this address",
  done: "Your address is confirmed. You can sign in now.",
  againLead: "The link did not come, or is too old? Sign up again, and we send another one.",
  again: "Sign up again",
};

export const reset = {
  title: "Set a new password",
  password: "New password",
  passwordHint: fields.passwordHint,
  submit: "Set the password",
  done: "Your password is set. Every sign-in was ended; sign in with the new one.",
  askLead: "Tell us your address, and we send a link with which you set a new password.",
  email: fields.email,
  ask: "Send me a link",
  sent: "If there is an account with this address, a mail is on its way. The link in it works for an hour.",
};
