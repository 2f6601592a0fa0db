import type { Texts } from "../en";

export const developers: Texts["developers"] = {
  title: "برنامه‌نویسان",
  lead: "هر کاری که این صفحه‌ها می‌کنند از برنامه هم برمی‌آید.",
  reference: "همهٔ فراخوانی‌ها، با نمونه‌هایی برای امتحان",

  keys: "کلیدهای API",
  keysLead:
    "برنامه به جای ورود، کلیدش را نشان می‌دهد. به هر برنامه کلید خودش را بدهید و وقتی لازم نیست باطلش کنید.",
  none: "هنوز کلیدی ندارید.",
  name: "نام",
  namePlaceholder: "برای کدام برنامه است؟",
  lifetime: "کار می‌کند",
  lifetimes: { month: "۳۰ روز", quarter: "۹۰ روز", year: "یک سال", never: "تا باطلش کنم" },
  may: "چه اجازه‌ای دارد",
  scopes: {
    uploads: "فرستادن آهنگ",
    jobs: "جداسازی و گرفتن استم‌ها",
    "billing:read": "دیدن اعتبار",
    webhooks: "وب‌هوک‌ها",
    events: "رویدادها",
  },
  make: "ساختن کلید",
  made: "کلید شما. همین حالا آن را بردارید: تنها همین یک بار نشان داده می‌شود.",
  copyKey: "کپی کلید",
  copy: "کپی",
  copied: "کپی شد",
  until: (day) => `تا ${day} کار می‌کند`,
  forever: "تا باطلش کنید کار می‌کند",
  lastUsed: (moment) => `آخرین استفاده ${moment}`,
  neverUsed: "هنوز استفاده نشده",
  revoke: "باطل کردن",
  revokeReally: "برای همیشه باطل کن",
  keep: "نگه دار",
  named: (what, name) => `${what}: ${name}`,

  examples: "از آهنگ تا استم‌ها",
  examplesLead:
    "هر کدام همین‌طور که هست کار می‌کند: song.mp3 را می‌فرستد و استم‌های یک پیش‌نمایش رایگان را می‌گیرد. با حالت «full» همهٔ آهنگ است.",
  keyFirst: "نخست کلید را به ترمینال بگویید:",
  paste: "این را کنار song.mp3 بچسبانید.",
  saveAndStart: "ذخیره و اجرا کنید:",
  copyExample: (language) => `کپی نمونهٔ ${language}`,
};
