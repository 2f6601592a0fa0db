/** The mark: one stem that parts into two. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      strokeLinecap="round"
      strokeWidth="5"
      aria-hidden="true"
    >
      <path d="M16 29v-9C16 14 6 14 6 5" stroke="var(--vocals)" />
      <path d="M16 29v-9C16 14 26 14 26 5" stroke="var(--instrumental)" />
      <path d="M16 29v-7" stroke="var(--mantine-color-text)" />
    </svg>
  );
}
