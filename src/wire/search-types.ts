/**
 * Which endings of file names `type:` of a search stands for. A table; PROTOCOL.md repeats it.
 */

/** Upper case, as names are folded. An ending may be of several types. */
const endings: Record<string, string> = {
  archive: "7Z BZ2 CAB CPIO DEB GZ JAR LZ LZ4 LZMA RAR RPM TAR TBZ2 TGZ TXZ WHL XZ ZIP ZST",
  audio: "AAC AC3 AIF AIFF ALAC APE DSF FLAC M4A M4B MID MIDI MKA MP2 MP3 MPC OGA OGG OPUS WAV WMA WV",
  book: "AZW AZW3 CB7 CBR CBZ CHM DJVU EPUB FB2 MOBI",
  code: "C CC CPP CS CSS GO H HPP HTML IPYNB JAVA JS JSX KT LUA PHP PL PY R RB RS SH SQL SWIFT TS TSX VUE",
  data: "ARROW AVRO BIN CSV DB FEATHER GGUF H5 HDF5 JSON JSONL NC NDJSON NPY NPZ ONNX PARQUET PICKLE PKL PT PTH SAFETENSORS SQLITE TFRECORD TOML TSV XML YAML YML",
  document: "DOC DOCX MD ODP ODS ODT PDF PPT PPTX PS RST RTF TEX TXT XLS XLSX",
  font: "OTF TTC TTF WOFF WOFF2",
  image: "AVIF BMP CR2 CR3 DNG GIF HEIC HEIF ICO JPEG JPG JXL NEF ORF PNG PSD RAW SVG TIF TIFF WEBP XCF",
  iso: "BIN CUE DMG IMG ISO MDF NRG QCOW2 RAW VDI VHD VHDX VMDK WIM",
  program: "APK APPIMAGE BAT CMD COM DEB DLL DMG EXE FLATPAK JAR MSI MSIX PKG RPM RUN SH SNAP",
  subtitle: "ASS IDX SRT SSA SUB VTT",
  video: "3GP ASF AVI DIVX FLV M2TS M4V MKV MOV MP4 MPEG MPG MTS OGM OGV RM RMVB TS VOB WEBM WMV",
};

const sets = new Map(Object.entries(endings).map(([type, list]) => [type, new Set(list.split(" "))]));

/** In the order of the alphabet. */
export const searchTypes: readonly string[] = [...sets.keys()];

/** Endings in upper case, or undefined when no type is called so. */
export function endingsOfType(type: string): ReadonlySet<string> | undefined {
  return sets.get(type);
}
