import type { Texts } from "../en";

const fields = {
  email: "ایمیل",
  password: "گذرواژه",
  passwordHint: "۸ نویسه یا بیشتر. چند واژه آسان‌تر به یاد می‌ماند.",
};

export const signIn: Texts["signIn"] = {
  ...fields,
  title: "ورود",
  submit: "ورود",
  forgotten: "گذرواژه را فراموش کرده‌اید؟",
  noAccount: "حساب ندارید؟",
  create: "بسازید",
  code: "کد برنامهٔ احراز هویت",
  codeHint: "شش رقم. یکی از کدهای بازیابی هم پذیرفته است.",
  codeLead: "حساب شما عامل دوم می‌خواهد.",
  sessionEnded: "از حساب خارج شدید. وارد شوید تا از همان‌جا ادامه دهید.",
};

export const signUp: Texts["signUp"] = {
  ...fields,
  title: "ساختن حساب",
  submit: "ساختن حساب",
  name: "نام",
  nameHint: "شما را چه بنامیم. می‌توانید خالی بگذارید.",
  haveOne: "حساب دارید؟",
  checkMail: "ایمیل خود را ببینید",
  checkMailText: (email) => `به ${email} نامه‌ای فرستادیم. پیوند درون آن را باز کنید تا حساب از آن شما شود.`,
};

export const verify: Texts["verify"] = {
  title: "تأیید نشانی",
  lead: "با یک فشار می‌دانیم که این نشانی از آن شماست.",
  submit: "تأیید این نشانی",
  done: "نشانی شما تأیید شد. اکنون می‌توانید وارد شوید.",
  againLead: "پیوند نیامد یا کهنه است؟ دوباره ثبت‌نام کنید تا یکی دیگر بفرستیم.",
  again: "ثبت‌نام دوباره",
};

export const reset: Texts["reset"] = {
  title: "گذرواژهٔ تازه",
  password: "گذرواژهٔ تازه",
  passwordHint: fields.passwordHint,
  submit: "ثبت گذرواژه",
  done: "گذرواژه ثبت شد. همهٔ ورودها پایان یافت؛ با گذرواژهٔ تازه وارد شوید.",
  askLead: "نشانی خود را بنویسید تا پیوندی برای گذرواژهٔ تازه بفرستیم.",
  email: fields.email,
  ask: "پیوند را بفرست",
  sent: "اگر حسابی با این نشانی باشد، نامه‌ای در راه است. پیوند درون آن یک ساعت کار می‌کند.",
};
