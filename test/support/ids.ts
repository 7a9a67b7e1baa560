/** The site and the device of unit tests. */
export const SITE_ID = '0b6a1f5e-6c3f-4f3e-9a44-6f1d2c3b4a59';
export const DEVICE_ID = '6f1c9c1e-3f0e-4b56-8f7a-0d6f4b8e2a11';
