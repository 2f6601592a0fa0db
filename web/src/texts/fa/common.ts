import type { Texts } from "../en";

export const common: Texts["common"] = {
  tagline: "دو استم که جمعشان، تا آخرین نمونه، همان آهنگ شماست.",
  apiDocs: "API",
  skip: "رفتن به محتوای صفحه",
  navigation: "صفحه‌ها",
  loading: "در حال بارگذاری",
  yourAccount: "حساب شما",
  signOut: "خروج",
  themes: { light: "پوستهٔ روشن", dark: "پوستهٔ تیره" },
  mishap: "این صفحه نشان داده نشد",
  mishapHint: "شاید از وقتی آن را باز کرده‌اید تازه شده باشد. بارگذاری دوباره معمولاً کارساز است.",
  reload: "بارگذاری دوباره",
  again: "تلاش دوباره",
  notFound: "اینجا چیزی نیست",
  notFoundHint: "شاید نشانی اشتباه نوشته شده، یا آنچه اینجا بود دیگر نیست.",
  takenOver: (email) =>
    `در پنجره‌ای دیگر با \u2068${email}\u2069 وارد شده‌اند. این پنجره با همان حساب ادامه می‌دهد و آنچه اینجا باز بود بسته شد.`,
  toStart: "صفحهٔ نخست",
  save: "ذخیره",
  saved: "ذخیره شد.",
  more: "بیشتر",
  close: "بستن",
};

export const administration: Texts["administration"] = {
  title: "مدیریت",
  overview: "نمای کلی",
  workers: "صف و کارگرها",
  jobs: "کارها",
  job: "یک کار",
  deadLetters: "پیام‌های گم‌شده",
  deadLetter: "یک پیام گم‌شده",
  feedback: "بازخوردها",
  users: "کاربران",
  user: "یک کاربر",
  prices: "قیمت‌ها",
  payments: "پرداخت‌ها",
  payment: "یک پرداخت",
  books: "دفترها",
  auditLog: "گزارش رویدادها",
};
