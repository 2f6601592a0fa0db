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
    job_not_found: "چنین جداسازی‌ای نیست. شاید پاک شده باشد.",
    user_not_found: "چنین کاربری نیست.",
    payment_not_found: "چنین پرداختی نیست.",
    dead_letter_not_found: "چنین پیامی نیست، یا دیگر نیست.",
    dead_letter_decided: "کسی پیش‌تر به این پیام رسیدگی کرده است.",
    webhook_endpoint_not_found: "چنین نشانی وب‌هوکی نیست.",
    erasure_not_found: "در این نشانی رسیدی نیست.",
    payments_off: "این‌جا چیزی فروخته نمی‌شود.",
    payment_provider_unavailable: "اکنون پرداخت ممکن نیست. دیرتر دوباره تلاش کنید.",
    too_many_checkouts: "چند پرداخت باز مانده است. یکی را به پایان ببرید یا صبر کنید تا مهلتشان بگذرد.",
    too_many_open_jobs: "بسیاری از جداسازی‌های شما هنوز پایان نیافته‌اند. برای چندتا از آن‌ها صبر کنید.",
    too_many_mails: "چند نامه به این نشانی در راه است.",
    too_many_guesses: "چند بار اشتباه وارد شد.",
    csrf_failed: "این صفحه با ورود شما هماهنگ نیست. صفحه را دوباره بارگذاری کنید.",
    upstream_unavailable: "بخشی از سامانه در حال راه‌اندازی است. کمی بعد دوباره تلاش کنید.",
    overloaded: "سامانه اکنون شلوغ است. کمی بعد دوباره تلاش کنید.",
  },
};
