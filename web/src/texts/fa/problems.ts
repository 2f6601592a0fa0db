import type { Texts } from "../en";

const digits = new Intl.NumberFormat("fa-IR");

export const problems: Texts["problems"] = {
  unknown: "مشکلی از سمت ما پیش آمد. کمی بعد دوباره تلاش کنید.",
  tooMany: "درخواست‌ها زیاد بود.",
  waitSeconds: (seconds) =>
    seconds < 90
      ? `${digits.format(seconds)} ثانیهٔ دیگر دوباره تلاش کنید.`
      : `${digits.format(Math.ceil(seconds / 60))} دقیقهٔ دیگر دوباره تلاش کنید.`,
  codes: {
    unreachable: "پاسخی نیامد. اتصال خود را بررسی و دوباره تلاش کنید.",
    source_not_allowed:
      "از این نشانی آهنگ گرفته نمی‌شود. باید با https:// آغاز شود و نام یک کارساز همگانی باشد.",
    unauthorized: "دیگر وارد حساب نیستید.",
    invalid_grant: "ایمیل و گذرواژه با هم نمی‌خوانند.",
    account_disabled: "ورود به این حساب بسته است. به گردانندهٔ این سامانه بنویسید.",
    wrong_code: "این کد درست نیست. کدی را بنویسید که برنامه اکنون نشان می‌دهد.",
    wrong_password: "این گذرواژهٔ کنونی شما نیست.",
    link_not_valid: "این پیوند استفاده شده یا کهنه است. پیوند تازه‌ای بخواهید.",
    too_many_mails: "چند نامه به این نشانی در راه است.",
    too_many_guesses: "چند بار اشتباه وارد شد.",
    csrf_failed: "این صفحه با ورود شما هماهنگ نیست. صفحه را دوباره بارگذاری کنید.",
    upstream_unavailable: "بخشی از سامانه در حال راه‌اندازی است. کمی بعد دوباره تلاش کنید.",
    overloaded: "سامانه اکنون شلوغ است. کمی بعد دوباره تلاش کنید.",
  },
};
